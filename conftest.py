"""What pytest leaves out where an optional package is missing."""

from importlib.util import find_spec

# Its docstrings are collected on import, which needs Triton.
collect_ignore = [] if find_spec("triton") else ["variegate/geometry/triton_kernels/kernels.py"]
