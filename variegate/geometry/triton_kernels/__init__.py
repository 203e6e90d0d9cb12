"""Triton kernels, in a package of their own: only `geometry.device.kernels` imports them, where Triton is installed."""
