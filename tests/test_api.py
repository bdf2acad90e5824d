"""The endpoints for programs, through gradio's own client and the real server."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from plantain.data.result import load_result
from plantain.paths import RUNS
from plantain.questions.response import summarise

CSV = "a,b\n" + "".join(f"a {who} standing,a {who} kneeling\n" for who in ("nurse", "chef", "robot", "dancer"))


@pytest.fixture(scope="module")
def client(server):
    from gradio_client import Client

    made = Client(server[0], verbose=False)
    yield made
    made.close()


def test_three_endpoints_are_public_with_typed_names_and_nothing_else(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = {
        name: [parameter["parameter_name"] for parameter in found["parameters"]] for name, found in endpoints.items()
    }
    assert names == {
        "/run_probe": ["prompts", "csv", "seed", "n_seeds", "num_inference_steps", "counting"],
        "/probe_pair": ["a", "b", "n_seeds", "seed"],
        "/results": ["run", "counting"],
    }
    assert all(found["description"] for found in endpoints.values())


def test_results_lists_the_cached_runs_and_gives_ones_numbers(client):
    listed = {row["run"] for row in client.predict(api_name="/results")["runs"]}
    assert {"shipped/posebox", "shipped/posebox-untrained", "published"} <= listed
    found = client.predict(run="shipped/posebox", counting="head", api_name="/results")
    shipped, twin = (summarise(load_result(RUNS / name), "head") for name in ("posebox", "posebox-untrained"))
    assert found["summary"]["counts"] == list(shipped.counts)
    assert found["untrained_twin"]["counts"] == list(twin.counts)
    assert found["command"].startswith("python -m plantain run --model posebox ")


def test_the_probe_gives_the_shipped_runs_numbers(client):
    found = client.predict(api_name="/run_probe")
    assert found["summary"]["counts"] == list(summarise(load_result(RUNS / "posebox")).counts)
    assert found["summary"]["n_pairs"] == 25


def test_pairs_can_be_sent_as_the_text_of_a_csv(client):
    found = client.predict(csv=CSV, n_seeds=2, api_name="/run_probe")
    assert found["summary"]["n_pairs"] == 4
    assert found["untrained_twin"] is None
    assert found["csv"] == "The CSV text: 4 pairs read, separated by commas."


def test_a_typed_pair_comes_back_with_its_caveat(client):
    found = client.predict("a nurse standing", "a nurse kneeling", n_seeds=4, api_name="/probe_pair")
    assert found["t_over"] == "4 noise seeds of one pair"
    assert found["n_heads"] == 510
    assert len(found["blocks"]) == 25
    assert any("n = 1 in prompts" in sentence for sentence in found["sentences"])


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/run_probe", {"prompts": "../../etc/passwd"}, "no shipped prompt set"),
        ("/run_probe", {"prompts": "my_pairs.csv"}, "no shipped prompt set"),
        ("/run_probe", {"csv": "x,y\n1,2\n"}, "needs the columns 'a' and 'b'"),
        ("/run_probe", {"csv": "a,b\nc,d\n"}, "at least 3 pairs"),
        ("/run_probe", {"csv": "a;b\n" + "c;d\n" * 8}, "Left out 7 repeated pairs"),
        ("/run_probe", {"n_seeds": 17}, "n_seeds must be a whole number from 1 to 16"),
        ("/run_probe", {"counting": "all"}, "no counting"),
        ("/run_probe", {"counting": ["card"]}, "no counting"),
        ("/run_probe", {"seed": "abc"}, "seed must be a whole number"),
        ("/run_probe", {"csv": None}, "csv must be text"),
        ("/run_probe", {"csv": "a,b\n" + "".join(f"c,d{i}\n" for i in range(1001))}, "at most 1,000 pairs"),
        (
            "/run_probe",
            {"csv": "a,b\n" + "".join(f"c,d{i}\n" for i in range(900)), "n_seeds": 16},
            "the page at most 6,400",
        ),
        ("/probe_pair", {"a": 5, "b": "a cat"}, "a must be text"),
        ("/results", {"run": ["x"]}, "There is no run"),
        ("/probe_pair", {"a": "a cat", "b": "a cat"}, "Both prompts are the same"),
        ("/probe_pair", {"a": "zyx " * 120, "b": "a cat"}, "reads at most 96"),
        ("/probe_pair", {"a": "a cat", "b": "a dog", "n_seeds": 2}, "n_seeds must be a whole number from 3"),
        ("/results", {"run": "../../etc"}, "There is no run"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(client, endpoint, arguments, sentence):
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=sentence):
        client.predict(**arguments, api_name=endpoint)


def test_the_same_three_are_tools_of_an_mcp_client(server):
    import asyncio

    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def use():
        async with (
            streamable_http_client(f"{server[0]}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            answer = await session.call_tool("results", {"run": "published"})
            return tools, answer.content[0].text

    # In a thread of its own: the browser of other tests may keep a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        tools, text = pool.submit(asyncio.run, use()).result()
    assert set(tools) == {"run_probe", "probe_pair", "results"}
    assert set(tools["probe_pair"].inputSchema["properties"]) == {"a", "b", "n_seeds", "seed"}
    assert "8263" in text
