#version 450
// time_warp: resamples every feature of a chosen window from T points to m = ⌊T·w⌋ and back. One thread per cell of x.
// Linear between the feature's valid cells, constant beyond the first and the last; missing cells stay so. Windows that are not
// chosen in this epoch are copied. model/augment is the same in Go; the results are equal bit for bit, hence precise, and
// a table in place of divisions.
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
layout(binding = 5) writeonly buffer OutBuf { uint warped[]; };             // out[K][T][R][F], bits of float32

// Cell (t, r, f) of model k lies at start + t·stride.
uint cell(uint start, uint t) { return x[start + t * (R * F)]; }

// Point j of m: the value at time j·(T − 1)/(m − 1).
float point(uint start, uint j, uint m) {
    uint q = j * (T - 1u) / (m - 1u), rest = j * (T - 1u) % (m - 1u);
    int lo = int(q), hi = rest == 0u ? lo : lo + 1, end = int(T);
    while (lo >= 0 && isMissing(cell(start, uint(lo)))) lo--;
    while (hi < end && isMissing(cell(start, uint(hi)))) hi++;
    if (lo < 0) return uintBitsToFloat(cell(start, uint(min(hi, end - 1))));
    precise float a = uintBitsToFloat(cell(start, uint(lo)));
    if (hi >= end || lo == hi) return a;
    precise float b = uintBitsToFloat(cell(start, uint(hi)));
    precise float part = float(rest) * reciprocal[m - 1u];
    precise float past = float(int(q) - lo) + part;
    precise float share = past * reciprocal[hi - lo];
    precise float change = (b - a) * share;
    precise float value = a + change;
    return value;
}

void main() {
    uint i = threadIndex();
    if (i >= K * T * R * F) return;
    uint bits = x[i];
    uint f = i % F, r = i / F % R, t = i / (F * R) % T, k = i / (F * R * T);
    uint window = orderWindow[(cursor[0] * K + k) * B + row0 + r], o = k * OPTIONS;
    float warp = uintBitsToFloat(options[o + WARP]);
    if (isMissing(bits) || window == NO_WINDOW || warp == 0.0 || T < 2u) {
        warped[i] = bits;
        return;
    }
    uvec4 draw = philox(uvec4(0u, window, options[o + EPOCH], STREAM_AUGMENT), uvec2(options[o + KEY_LOW], options[o + KEY_HIGH]));
    precise float uniform01 = float(draw.y >> 8) * 5.9604644775390625e-8; // 2⁻²⁴
    precise float twice = 2.0 * uniform01 - 1.0;                          // exact
    precise float change = warp * twice;
    precise float w = 1.0 + change;
    precise float points = float(T) * w;
    uint m = uint(points);
    if (draw.x >> 8 >= options[o + GATE_BELOW] || m < 2u) {
        warped[i] = bits;
        return;
    }
    uint start = i - t * (R * F);
    uint q = t * (m - 1u) / (T - 1u), rest = t * (m - 1u) % (T - 1u);
    precise float here = point(start, q, m);
    if (rest != 0u) {
        precise float share = float(rest) * reciprocal[T - 1u];
        precise float step = (point(start, q + 1u, m) - here) * share;
        here = here + step;
    }
    warped[i] = floatBitsToUint(here);
}
