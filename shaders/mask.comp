#version 450
// mask: which measured steps are used. One thread per step of a window.
// Where the network masks, a step is valid when any of its features is neither the mask's value nor NaN; else all are. That is asked
// of the bits. −0 is 0.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "missing.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint steps, F, masked, value; }; // steps = n·T; masked: 0 or 1; value: bits of the mask's value, 0 for −0
layout(binding = 0) readonly buffer RawBuf { uint raw[]; };        // raw[n][T][F], bits of float32
layout(binding = 1) writeonly buffer ValidBuf { uint valid[]; };   // valid[n][T], 1 = valid

void main() {
    uint i = threadIndex();
    if (i >= steps) return;
    uint any = 1u - masked;
    for (uint f = 0u; f < F; f++) {
        uint bits = raw[i * F + f];
        if ((bits == 0x80000000u ? 0u : bits) != value && !isMissing(bits)) any = 1u;
    }
    valid[i] = any;
}
