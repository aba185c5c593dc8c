#version 450
// batch_moments: the mean and the variance of each column over the rows that are used. One workgroup per 32 columns of a model.
// Lane l of 4 sums the rows l, l + 4, …; the lanes are added in order. The sums are divided by n, the number of used rows and keep,
// which is what Keras adds where steps may be masked.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
layout(local_size_x = 128) in;
layout(push_constant) uniform Dims { uint K, rows, W; float keep; };
layout(binding = 0) readonly buffer XBuf { float x[]; };              // x[K][rows][W]
layout(binding = 1) readonly buffer UsedBuf { uint used[]; };         // used[K][rows], 1 = used
layout(binding = 2) writeonly buffer MomentsBuf { float moments[]; }; // moments[K][2W + 1]: mean, variance, n

const uint COLUMNS = 32u, LANES = 4u;
shared float part[LANES][COLUMNS], counts[LANES];

float total(float own, uint lane, uint column) {
    part[lane][column] = own;
    barrier();
    float sum = part[0][column];
    [[unroll]] for (uint i = 1u; i < LANES; i++) sum += part[i][column];
    barrier();
    return sum;
}

void main() {
    uint blocks = (W + COLUMNS - 1u) / COLUMNS, group = groupIndex(), k = group / blocks;
    if (k >= K) return; // the same for all threads of the group
    uint column = gl_LocalInvocationIndex % COLUMNS, lane = gl_LocalInvocationIndex / COLUMNS, u = group % blocks * COLUMNS + column;
    float sum = 0.0, n = 0.0;
    for (uint row = lane; row < rows; row += LANES) {
        if (used[k * rows + row] == 0u) continue;
        n += 1.0;
        if (u < W) sum += x[(k * rows + row) * W + u];
    }
    if (column == 0u) counts[lane] = n;
    sum = total(sum, lane, column);
    n = keep;
    [[unroll]] for (uint i = LANES; i > 0u; i--) n += counts[i - 1u];
    float mean = sum / n;
    sum = 0.0;
    for (uint row = lane; row < rows; row += LANES) {
        if (u >= W || used[k * rows + row] == 0u) continue;
        float d = x[(k * rows + row) * W + u] - mean;
        sum += d * d;
    }
    sum = total(sum, lane, column);
    if (lane != 0u || u >= W) return;
    uint at = k * (2u * W + 1u);
    moments[at + u] = mean;
    moments[at + W + u] = sum / n;
    if (u == 0u) moments[at + 2u * W] = n;
}
