#version 450
// merge_forward: one value of the two that both directions put out. One thread per value of the output.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint MERGE = 0u; // 0 sum, 1 average, 2 product
layout(push_constant) uniform Dims { uint rows, W; };
layout(binding = 0) readonly buffer XBuf { float x[]; };  // x[rows][2][W]
layout(binding = 1) writeonly buffer YBuf { float y[]; }; // y[rows][W]

void main() {
    uint i = threadIndex();
    if (i >= rows * W) return;
    uint at = i / W * 2u * W + i % W;
    float a = x[at], b = x[at + W];
    y[i] = MERGE == 0u ? a + b : MERGE == 1u ? 0.5 * (a + b) : a * b;
}
