#version 450
// batch_normalization_forward: y = gamma·(x − mean)/√(variance + small) + beta. One thread per value.
// The moments are the batch's, or without TRAIN the moving ones.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint TRAIN = 0u;
layout(push_constant) uniform Dims { uint K, rows, W, P, gamma, moving; float small; }; // gamma: of gamma[W] and beta[W] in params; moving: of the moving mean[W] and variance[W]
layout(binding = 0) readonly buffer XBuf { float x[]; };             // x[K][rows][W]
layout(binding = 1) readonly buffer ParamsBuf { float params[]; };   // params[K][P]
layout(binding = 2) readonly buffer MomentsBuf { float moments[]; }; // moments[K][2W + 1]; read with TRAIN only
layout(binding = 3) writeonly buffer YBuf { float y[]; };            // y[K][rows][W]

void main() {
    uint i = threadIndex();
    if (i >= K * rows * W) return;
    uint u = i % W, k = i / (W * rows), p = k * P, m = k * (2u * W + 1u);
    float mean = TRAIN != 0u ? moments[m + u] : params[p + moving + u];
    float variance = TRAIN != 0u ? moments[m + W + u] : params[p + moving + W + u];
    y[i] = params[p + gamma + u] * ((x[i] - mean) / sqrt(variance + small)) + params[p + gamma + W + u];
}
