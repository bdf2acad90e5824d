"""Twenty visitors and five probes at once, over HTTP, as the browsers of that many people send it."""

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

N_VISITORS, N_PROBES = 20, 5


@dataclass
class Crowd:
    """What everybody got: seconds of each page load, and the places in the queue that each probe saw."""

    seconds: list[float] = field(default_factory=list)
    ranks: list[list[int]] = field(default_factory=list)
    done: list[dict] = field(default_factory=list)


def gather(url, n_visits=1, **job):
    """Open the page ``n_visits`` times for each visitor while the probes, of ``job``, wait for one another."""
    from gradio_client import Client

    crowd = Crowd()
    load = page_load_event(url)
    patient = {"timeout": 120}  # the client's own is five seconds, also to be put into the queue
    clients = [Client(url, verbose=False, httpx_kwargs=patient) for _ in range(N_PROBES)]
    with ThreadPoolExecutor(N_VISITORS + N_PROBES) as pool:
        probes = [pool.submit(_probe, client, job) for client in clients]
        for _ in range(n_visits):
            visits = [pool.submit(_visit, url, load, f"visitor{i}") for i in range(N_VISITORS)]
            crowd.seconds += [visit.result() for visit in visits]
        for probe in probes:
            ranks, found = probe.result()
            crowd.ranks.append(ranks)
            crowd.done.append(found)
    for client in clients:
        client.close()
    return crowd


def page_load_event(url):
    """The index of the event by which a page that opens is put into the state that its address names."""
    config = json.loads(_get(url + "config"))
    loads = [d for d in config["dependencies"] if any(event == "load" for _, event in d["targets"])]
    return min(d["id"] for d in loads)


def _visit(url, load, session):
    """The document with all its values, and the event of its opening; raises on any status but 200."""
    started = time.perf_counter()
    assert b"plantain-claim" in _get(url)
    body = json.dumps({"data": [], "fn_index": load, "session_hash": session}).encode()
    request = urllib.request.Request(
        url + "gradio_api/run/predict", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert len(json.loads(answer.read())["data"]) > 5
    return time.perf_counter() - started


def _probe(client, job):
    job = client.submit(**job, api_name="/run_probe")
    ranks = []
    while not job.done():
        rank = job.status().rank
        if rank is not None and (not ranks or ranks[-1] != rank):
            ranks.append(rank)
        time.sleep(0.05)
    return ranks, job.result()


def _get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()
