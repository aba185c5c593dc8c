#version 450
// augment: the end of the input. One thread per step of a window.
// In training, a window chosen in this epoch gets noise on its valid cells, kept within the scaling's bounds, and loses a share
// of its cells. Then missing cells become +0, and the step is valid where any cell is left, or in a network without a mask where the row
// has a window. In place. model/augment is the same in Go; the results are equal bit for bit.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "missing.glsl"
#include "options.glsl"
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, R, B, T, F, row0, train, masked; }; // train, masked: 0 or 1
layout(binding = 0) buffer XBuf { uint x[]; };                              // x[K][T][R][F], bits of float32
layout(binding = 1) readonly buffer OrderWindowBuf { uint orderWindow[]; }; // order_window[S][K][B]
layout(binding = 2) readonly buffer OptionsBuf { uint options[]; };         // options[K][OPTIONS]
layout(binding = 3) readonly buffer ScalingBuf { float scaling[]; };        // scaling[K][4][F]: offset, factor, low, high
layout(binding = 4) readonly buffer QuantileBuf { float quantile[]; };      // quantile[32768], upper half of the normal distribution
layout(binding = 5) readonly buffer CursorBuf { uint cursor[]; };           // cursor[1]
layout(binding = 6) writeonly buffer MaskBuf { uint mask[]; };              // mask[K][T][R], 1 = valid
layout(binding = 7) writeonly buffer PresentBuf { uint present[]; };        // present[K][R], 1 = the row has a window
#include "noise.glsl"

void main() {
    uint i = threadIndex();
    if (i >= K * T * R) return;
    uint r = i % R, t = i / R % T, k = i / (R * T);
    uint window = orderWindow[(cursor[0] * K + k) * B + row0 + r], o = k * OPTIONS;
    uvec2 key = uvec2(options[o + KEY_LOW], options[o + KEY_HIGH]);
    uint epoch = options[o + EPOCH], below = options[o + DROP_BELOW];
    float sigma = uintBitsToFloat(options[o + NOISE]);
    bool chosen = train != 0u && window != NO_WINDOW
        && philox(uvec4(0u, window, epoch, STREAM_AUGMENT), key).x >> 8 < options[o + VARY_BELOW];
    uvec4 noise = uvec4(0u), lost = uvec4(0u);
    uint any = masked == 0u && window != NO_WINDOW ? 1u : 0u;
    for (uint f = 0u; f < F; f++) {
        uint bits = x[i * F + f], cell = t * F + f;
        if (chosen && (f == 0u || cell % 4u == 0u)) {
            noise = philox(uvec4(cell / 4u, window, epoch, STREAM_NOISE), key);
            lost = philox(uvec4(cell / 4u, window, epoch, STREAM_FEATURE_DROP), key);
        }
        if (chosen && !isMissing(bits)) {
            if (sigma != 0.0) {
                bits = noisy(bits, noise[cell % 4u], sigma, scaling[(k * 4u + 2u) * F + f], scaling[(k * 4u + 3u) * F + f]);
            }
            if (lost[cell % 4u] >> 8 < below) bits = MISSING;
        }
        if (isMissing(bits)) bits = 0u;
        else any = 1u;
        x[i * F + f] = bits;
    }
    mask[i] = any;
    if (t == 0u) present[k * R + r] = window != NO_WINDOW ? 1u : 0u;
}
