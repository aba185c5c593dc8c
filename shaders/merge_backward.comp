#version 450
// merge_backward: the gradient by what both directions put out, from that by what merge_forward made of them. One thread per value
// of the output.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint MERGE = 0u; // 0 sum, 1 average, 2 product
layout(push_constant) uniform Dims { uint rows, W; };
layout(binding = 0) readonly buffer DYBuf { float dy[]; };  // dy[rows][W]
layout(binding = 1) readonly buffer XBuf { float x[]; };    // x[rows][2][W]; read with the product only
layout(binding = 2) writeonly buffer DXBuf { float dx[]; }; // dx[rows][2][W]

void main() {
    uint i = threadIndex();
    if (i >= rows * W) return;
    uint at = i / W * 2u * W + i % W;
    float d = MERGE == 1u ? 0.5 * dy[i] : dy[i], a = d, b = d;
    if (MERGE == 2u) {
        a = d * x[at + W];
        b = d * x[at];
    }
    dx[at] = a;
    dx[at + W] = b;
}
