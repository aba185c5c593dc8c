#version 450
// batch_normalization_backward: dx = gamma/√(variance + small)·(dy − dbeta/n − (x − mean)/√(variance + small)·dgamma/n), since all used
// rows' moments depend on each. One thread per value. A row that is not used has no part in them: its dx is gamma/√(…)·dy.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, rows, W, P, gamma; float small; }; // gamma: of gamma[W] and beta[W] in params and grads
layout(binding = 0) readonly buffer XBuf { float x[]; };             // x[K][rows][W]
layout(binding = 1) readonly buffer DYBuf { float dy[]; };           // dy[K][rows][W]
layout(binding = 2) readonly buffer UsedBuf { uint used[]; };        // used[K][rows], 1 = used
layout(binding = 3) readonly buffer MomentsBuf { float moments[]; }; // moments[K][2W + 1]
layout(binding = 4) readonly buffer ParamsBuf { float params[]; };   // params[K][P]
layout(binding = 5) readonly buffer GradsBuf { float grads[]; };     // grads[K][P]: what batch_normalization_sums left
layout(binding = 6) writeonly buffer DXBuf { float dx[]; };          // dx[K][rows][W]

void main() {
    uint i = threadIndex();
    if (i >= K * rows * W) return;
    uint u = i % W, row = i / W, k = row / rows, p = k * P + gamma + u, m = k * (2u * W + 1u);
    float root = sqrt(moments[m + W + u] + small), n = moments[m + 2u * W], d = dy[i];
    if (used[row] != 0u) d -= grads[p + W] / n + (x[i] - moments[m + u]) / root * (grads[p] / n);
    dx[i] = params[p] / root * d;
}
