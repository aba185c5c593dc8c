#version 450
// gather: takes a step's windows out of the loaded ones and scales them. One thread per cell of x.
// A valid cell becomes (v − offset)·factor; cells that are missing or in a masked step, and those of rows without a window,
// become MISSING. The loaded windows may lie in several chunks, one dispatch each: a dispatch writes the rows whose window lies
// in its chunk, and the one with chunkFirst = 0 the rows without a window too.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "missing.glsl"
#include "options.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, R, B, T, F, row0, chunkFirst, chunkCount; };
layout(binding = 0) readonly buffer RawBuf { uint raw[]; };                 // raw[chunkCount][T][F], bits of float32
layout(binding = 1) readonly buffer ValidBuf { uint valid[]; };             // valid[chunkCount][T]
layout(binding = 2) readonly buffer OrderWindowBuf { uint orderWindow[]; }; // order_window[S][K][B]
layout(binding = 3) readonly buffer ScalingBuf { float scaling[]; };        // scaling[K][4][F]: offset, factor, low, high
layout(binding = 4) readonly buffer CursorBuf { uint cursor[]; };           // cursor[1]
layout(binding = 5) writeonly buffer XBuf { uint x[]; };                    // x[K][T][R][F], bits of float32

void main() {
    uint i = threadIndex();
    if (i >= K * T * R * F) return;
    uint f = i % F, r = i / F % R, t = i / (F * R) % T, k = i / (F * R * T);
    uint window = orderWindow[(cursor[0] * K + k) * B + row0 + r];
    if (window == NO_WINDOW) {
        if (chunkFirst == 0u) x[i] = MISSING;
        return;
    }
    if (window < chunkFirst || window - chunkFirst >= chunkCount) return;
    uint at = (window - chunkFirst) * T + t;
    uint bits = raw[at * F + f];
    if (valid[at] == 0u || isMissing(bits)) {
        x[i] = MISSING;
        return;
    }
    precise float moved = uintBitsToFloat(bits) - scaling[(k * 4u) * F + f];
    precise float scaled = moved * scaling[(k * 4u + 1u) * F + f];
    x[i] = floatBitsToUint(scaled);
}
