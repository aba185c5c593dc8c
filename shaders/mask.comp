#version 450
// mask: which measured steps are used. One thread per step of a window.
// A step is valid when any of its features is neither ±0 nor NaN; that is asked of the bits.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "missing.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint steps, F; }; // steps = n·T
layout(binding = 0) readonly buffer RawBuf { uint raw[]; };        // raw[n][T][F], bits of float32
layout(binding = 1) writeonly buffer ValidBuf { uint valid[]; };   // valid[n][T], 1 = valid

void main() {
    uint i = threadIndex();
    if (i >= steps) return;
    uint any = 0u;
    for (uint f = 0u; f < F; f++) {
        uint bits = raw[i * F + f];
        if ((bits & 0x7fffffffu) != 0u && !isMissing(bits)) any = 1u;
    }
    valid[i] = any;
}
