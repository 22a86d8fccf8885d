# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small matrix product whose result stays in registers.

Without help the compiler loads and stores the result at every step, which takes four times as long. Here a tile of the
result is held in vector registers while the loop runs over the depth.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import binding, ir
from numba import njit, types
from numba.extending import intrinsic

from pointpillars_ov_ros.core.arrays import FloatArray

ROWS = 6
"""Rows of a tile."""
LANES = 32 if binding.get_host_cpu_features().get("avx512f") else 16
"""Columns of a tile. 6 x 32 float32 are 12 of AVX-512's 32 registers, 6 x 16 are 12 of AVX2's 16."""

_FLOAT, _INDEX = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)


@njit(nogil=True, cache=True)
def add_product(left: FloatArray, right: FloatArray, out: FloatArray, to: int) -> None:
    """Add left @ right to `out`, starting at row `to`.

    `left` (ROWS, K), `right` (K, C), `out` (>= to + ROWS, C); float32, C-contiguous, C a multiple of LANES.
    """
    for first in range(0, right.shape[1], LANES):
        _add_tile(left, right, out, to, first)  # type: ignore[call-arg]  # the compiler passes its context itself


@njit(nogil=True, cache=True)
def rectify_product(left: FloatArray, right: FloatArray, out: FloatArray) -> None:
    """Write ReLU(left @ right) into `out` (ROWS, C); `left` and `right` as for `add_product`."""
    for first in range(0, right.shape[1], LANES):
        _rectify_tile(left, right, out, 0, first)  # type: ignore[call-arg]


@intrinsic
def _add_tile(_context: Any, left: Any, right: Any, out: Any, to: Any, first: Any) -> Any:
    """Compile `add_product` for the LANES columns starting at `first`."""
    return types.void(left, right, out, to, first), partial(_generate_tile, adds=True)


@intrinsic
def _rectify_tile(_context: Any, left: Any, right: Any, out: Any, to: Any, first: Any) -> Any:
    """Compile `rectify_product` for the LANES columns starting at `first`."""
    return types.void(left, right, out, to, first), partial(_generate_tile, adds=False)


def _generate_tile(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, adds: bool) -> Any:
    """Emit the loop over the depth: load a vector of the right side, multiply it and add it to each row's sum."""
    arrays = [context.make_array(signature.args[k])(context, builder, arguments[k]) for k in range(3)]
    depth, stride = (builder.extract_value(arrays[1].shape, axis) for axis in (0, 1))
    left, right = arrays[0].data, builder.gep(arrays[1].data, [arguments[4]])
    out = builder.gep(arrays[2].data, [builder.add(builder.mul(arguments[3], stride), arguments[4])])
    targets = [_vector_at(builder, out, builder.mul(_INDEX(row), stride)) for row in range(ROWS)]
    zero = ir.Constant(_VECTOR, [0.0] * LANES)
    starts = [builder.load(target, align=4) if adds else zero for target in targets]
    before, loop, end = builder.block, builder.append_basic_block("step"), builder.append_basic_block("end")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(_INDEX)
    sums = [builder.phi(_VECTOR) for _ in range(ROWS)]
    vector = builder.load(_vector_at(builder, right, builder.mul(step, stride)), align=4)
    results = []
    for row in range(ROWS):
        number = builder.load(builder.gep(left, [builder.add(builder.mul(_INDEX(row), depth), step)]))
        product = builder.fmul(_broadcast(builder, number), vector, flags=("contract",))
        results.append(builder.fadd(product, sums[row], flags=("contract",)))
    following = builder.add(step, _INDEX(1))
    for phi, first, result in zip([step, *sums], [_INDEX(0), *starts], [following, *results], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(result, loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, end)
    builder.position_at_end(end)
    for result, target in zip(results, targets, strict=True):
        if not adds:
            result = builder.select(builder.fcmp_ordered(">", result, zero), result, zero)
        builder.store(result, target, align=4)
    return context.get_dummy_value()


def _vector_at(builder: ir.IRBuilder, base: ir.Value, offset: ir.Value) -> ir.Value:
    return builder.bitcast(builder.gep(base, [offset]), _VECTOR.as_pointer())


def _broadcast(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    undefined, lanes = ir.Constant(_VECTOR, ir.Undefined), ir.VectorType(ir.IntType(32), LANES)
    single = builder.insert_element(undefined, number, ir.IntType(32)(0))
    return builder.shuffle_vector(single, undefined, ir.Constant(lanes, [0] * LANES))
