"""What pytest leaves out where an optional package is missing."""

from importlib.util import find_spec

# Their docstrings are collected on import, which needs Triton.
KERNELS = ["variegate/geometry/neighbours/kernels.py", "variegate/strategies/novelselect/kernels.py"]
collect_ignore = [] if find_spec("triton") else KERNELS
