#version 450
// column_sum: out[n] (+)= the sum of column n, the gradient of a bias. One workgroup per 16 columns of a model.
// Lane l of 8 sums the rows l, l + 8, …; the lanes are added in order.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
layout(local_size_x = 128) in;
layout(constant_id = 0) const uint ACCUMULATE = 0u;
layout(push_constant) uniform Dims { uint K, rows, N, offsetA, strideA, offsetOut, strideOut; }; // elements; stride: from model to model
layout(binding = 0) readonly buffer ABuf { float a[]; }; // offsetA + k·strideA + [rows][N]
layout(binding = 1) buffer OutBuf { float sums[]; };     // offsetOut + k·strideOut + [N]

const uint COLUMNS = 16u, LANES = 8u;
shared float part[LANES][COLUMNS];

void main() {
    uint blocks = (N + COLUMNS - 1u) / COLUMNS, group = groupIndex(), k = group / blocks;
    if (k >= K) return; // the same for all threads of the group
    uint column = gl_LocalInvocationIndex % COLUMNS, lane = gl_LocalInvocationIndex / COLUMNS;
    uint n = group % blocks * COLUMNS + column;
    float sum = 0.0;
    if (n < N) {
        for (uint row = lane; row < rows; row += LANES) sum += a[offsetA + k * strideA + row * N + n];
    }
    part[lane][column] = sum;
    barrier();
    if (lane != 0u || n >= N) return;
    [[unroll]] for (uint i = 1u; i < LANES; i++) sum += part[i][column];
    uint at = offsetOut + k * strideOut + n;
    if (ACCUMULATE != 0u) sum += sums[at];
    sums[at] = sum;
}
