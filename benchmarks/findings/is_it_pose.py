"""Make what the page shows at once and would take long to work out: the picture of *Is it pose?*.

python benchmarks/findings/is_it_pose.py
"""

from plantain.ui.tabs.is_it_pose import keep

if __name__ == "__main__":
    print(keep())
