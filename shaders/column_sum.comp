#version 450
// column_sum: out[n] (+)= the sum of column n, the gradient of a bias. One workgroup per 32 columns and part of the rows.
// Lane l of 4 sums the rows l, l + 4, … of the part; the lanes are added in order. With more than one part, part s of model k
// is written to out[k·splits + s], for split_sum to add up.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
layout(local_size_x = 128) in;
layout(constant_id = 0) const uint ACCUMULATE = 0u;
layout(push_constant) uniform Dims {
    uint K, rows, N, offsetA, strideA, offsetOut, strideOut; // elements; stride: from model to model
    uint splits, span;                                       // parts of the rows, and how long each is
};
layout(binding = 0) readonly buffer ABuf { float a[]; }; // offsetA + k·strideA + [rows][N]
layout(binding = 1) buffer OutBuf { float sums[]; };     // offsetOut + (k·splits + s)·strideOut + [N]

const uint COLUMNS = 32u, LANES = 4u;
shared float part[LANES][COLUMNS];

void main() {
    uint blocks = (N + COLUMNS - 1u) / COLUMNS, group = groupIndex(), piece = group / blocks, k = piece / splits;
    if (k >= K) return; // the same for all threads of the group
    uint column = gl_LocalInvocationIndex % COLUMNS, lane = gl_LocalInvocationIndex / COLUMNS;
    uint n = group % blocks * COLUMNS + column, first = piece % splits * span, end = min(rows, first + span);
    float sum = 0.0;
    if (n < N) {
        for (uint row = first + lane; row < end; row += LANES) sum += a[offsetA + k * strideA + row * N + n];
    }
    part[lane][column] = sum;
    barrier();
    if (lane != 0u || n >= N) return;
    [[unroll]] for (uint i = 1u; i < LANES; i++) sum += part[i][column];
    uint at = offsetOut + piece * strideOut + n;
    if (ACCUMULATE != 0u) sum += sums[at];
    sums[at] = sum;
}
