"""What is made of the rows: tables, plots, files. The only package that imports pandas, matplotlib and jinja2."""

import logging
import os

# It says on standard error that it has no folder of its own to write to, or that it looks at the fonts; nobody asked.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

# Figures are drawn into files. A notebook asks by this name for a backend of its own, which matplotlib refuses to be
# imported with where it is not installed.
os.environ["MPLBACKEND"] = "agg"
