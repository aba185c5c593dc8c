#version 450
// time_warp: resamples every feature of a chosen window from T points to m = ⌊T·w⌋ and back. One thread per cell of x.
// Linear between the feature's valid cells (include/time_warp.glsl); missing cells stay so. Windows that are not chosen in this
// epoch are copied. model/augment is the same in Go; the results are equal bit for bit.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "missing.glsl"
#include "options.glsl"
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, R, B, T, F, row0; };
layout(binding = 0) readonly buffer XBuf { uint x[]; };                     // x[K][T][R][F], bits of float32
layout(binding = 1) readonly buffer OrderWindowBuf { uint orderWindow[]; }; // order_window[S][K][B]
layout(binding = 2) readonly buffer OptionsBuf { uint options[]; };         // options[K][OPTIONS]
layout(binding = 3) readonly buffer ReciprocalBuf { float reciprocal[]; };  // 1/i, for i ≤ T·(1 + warp)
layout(binding = 4) readonly buffer CursorBuf { uint cursor[]; };           // cursor[1]
layout(binding = 5) writeonly buffer OutBuf { uint result[]; };             // out[K][T][R][F], bits of float32

// Cell (t, r, f) of model k lies at start + t·R·F.
uint start;
bool absent(uint t) { return isMissing(x[start + t * (R * F)]); }
float cell(uint t) { return uintBitsToFloat(x[start + t * (R * F)]); }
#include "time_warp.glsl"

void main() {
    uint i = threadIndex();
    if (i >= K * T * R * F) return;
    uint bits = x[i];
    uint r = i / F % R, t = i / (F * R) % T, k = i / (F * R * T);
    uint window = orderWindow[(cursor[0] * K + k) * B + row0 + r], o = k * OPTIONS;
    float warp = uintBitsToFloat(options[o + WARP]);
    if (isMissing(bits) || window == NO_WINDOW || warp == 0.0 || T < 2u) {
        result[i] = bits;
        return;
    }
    uvec4 draw = philox(uvec4(0u, window, options[o + EPOCH], STREAM_AUGMENT), uvec2(options[o + KEY_LOW], options[o + KEY_HIGH]));
    uint m = warpPoints(draw.y, warp);
    if (draw.x >> 8 >= options[o + VARY_BELOW] || m < 2u) {
        result[i] = bits;
        return;
    }
    start = i - t * (R * F);
    result[i] = floatBitsToUint(warped(t, m));
}
