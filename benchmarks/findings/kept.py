"""Make what the page shows of the shipped runs, and keep it beside them: a minute of counting and drawing.

python benchmarks/findings/kept.py
"""

import plantain.ui.page  # noqa: F401  (with it come all that make something)
from plantain.ui.kept import keep

if __name__ == "__main__":
    print(keep())
