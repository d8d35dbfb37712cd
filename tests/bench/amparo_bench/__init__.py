"""What tests/bench/run and tests/bench/scale share.

Modules, lowest first: processes (what /proc says of them), nodes (two agencies and their six processes),
load (the driver), contenders (the brokers and their clients).
"""
