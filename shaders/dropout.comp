#version 450
// dropout: drops units and scales the others by 1/(1 − rate). One thread per (model, row, unit).
// A unit is kept when its random word is at or above the threshold; on gradients the same kernel is its own backward. Without
// train it copies. The input may be a part of a larger buffer, as the last step's h.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "options.glsl"
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, R, H, row0, offset, stride, train; }; // elements; stride: from model to model
layout(binding = 0) readonly buffer InBuf { float x[]; };             // offset + k·stride + [R][H]
layout(binding = 1) readonly buffer OptionsBuf { uint options[]; };   // options[K][OPTIONS]
layout(binding = 2) readonly buffer ScheduleBuf { uint schedule[]; }; // schedule[S][K][SCHEDULE]
layout(binding = 3) readonly buffer CursorBuf { uint cursor[]; };     // cursor[1]
layout(binding = 4) writeonly buffer OutBuf { float y[]; };           // out[K][R][H]

void main() {
    uint i = threadIndex();
    if (i >= K * R * H) return;
    uint u = i % H, r = i / H % R, k = i / (H * R), o = k * OPTIONS;
    precise float v = x[offset + k * stride + r * H + u];
    if (train != 0u) {
        uint time = schedule[(cursor[0] * K + k) * SCHEDULE + TIME];
        uint word = philox(uvec4(u / 4u, row0 + r, time, STREAM_DROPOUT), uvec2(options[o + KEY_LOW], options[o + KEY_HIGH]))[u % 4u];
        v = word >> 8 >= options[o + DROPOUT_BELOW] ? v * uintBitsToFloat(options[o + DROPOUT_SCALE]) : 0.0;
    }
    y[i] = v;
}
