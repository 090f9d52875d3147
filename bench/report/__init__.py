"""What is made of the rows: tables, plots, files. The only package that imports pandas, matplotlib and jinja2."""

import logging

# It says on standard error that it has no folder of its own to write to, or that it looks at the fonts; nobody asked.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
