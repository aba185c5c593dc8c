#version 450
// batch_normalization_sums: the gradients by gamma, Σ dy·(x − mean)/√(variance + small), and by beta, Σ dy. One workgroup per 32
// columns of a model; lanes as in batch_moments.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
layout(local_size_x = 128) in;
layout(push_constant) uniform Dims { uint K, rows, W, P, gamma; float small; }; // gamma: of gamma[W] and beta[W] in params and grads
layout(binding = 0) readonly buffer XBuf { float x[]; };             // x[K][rows][W]
layout(binding = 1) readonly buffer DYBuf { float dy[]; };           // dy[K][rows][W]
layout(binding = 2) readonly buffer MomentsBuf { float moments[]; }; // moments[K][2W + 1]
layout(binding = 3) buffer GradsBuf { float grads[]; };              // grads[K][P]

const uint COLUMNS = 32u, LANES = 4u;
shared vec2 part[LANES][COLUMNS];

void main() {
    uint blocks = (W + COLUMNS - 1u) / COLUMNS, group = groupIndex(), k = group / blocks;
    if (k >= K) return; // the same for all threads of the group
    uint column = gl_LocalInvocationIndex % COLUMNS, lane = gl_LocalInvocationIndex / COLUMNS, u = group % blocks * COLUMNS + column;
    vec2 sum = vec2(0.0);
    if (u < W) {
        float mean = moments[k * (2u * W + 1u) + u], root = sqrt(moments[k * (2u * W + 1u) + W + u] + small);
        for (uint row = lane; row < rows; row += LANES) {
            uint at = (k * rows + row) * W + u;
            sum += vec2(dy[at] * ((x[at] - mean) / root), dy[at]);
        }
    }
    part[lane][column] = sum;
    barrier();
    if (lane != 0u || u >= W) return;
    [[unroll]] for (uint i = 1u; i < LANES; i++) sum += part[i][column];
    grads[k * P + gamma + u] = sum.x;
    grads[k * P + gamma + W + u] = sum.y;
}
