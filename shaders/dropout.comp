#version 450
// dropout: drops units and scales the others by 1/(1 − rate). One thread per (model, row, unit).
// A unit is kept when its random word is at or above the threshold; on gradients the same kernel is its own backward. Without
// train it copies. Input and output may be parts of larger rows and buffers, as the last step's h is of one direction; unit0 is
// the first unit's number in the layer's whole output, by which it draws.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "options.glsl"
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims {
    uint K, R, H, row0, unit0;
    uint offset, stride, pitch;         // of the input, elements; stride: from model to model, pitch: from row to row
    uint offsetOut, pitchOut, train;
};
layout(binding = 0) readonly buffer InBuf { float x[]; };             // offset + k·stride + r·pitch + [H]
layout(binding = 1) readonly buffer OptionsBuf { uint options[]; };   // options[K][OPTIONS]
layout(binding = 2) readonly buffer ScheduleBuf { uint schedule[]; }; // schedule[S][K][SCHEDULE]
layout(binding = 3) readonly buffer CursorBuf { uint cursor[]; };     // cursor[1]
layout(binding = 4) writeonly buffer OutBuf { float y[]; };           // offsetOut + (k·R + r)·pitchOut + [H]

void main() {
    uint i = threadIndex();
    if (i >= K * R * H) return;
    uint u = i % H, r = i / H % R, k = i / (H * R), o = k * OPTIONS;
    precise float v = x[offset + k * stride + r * pitch + u];
    if (train != 0u) {
        uint time = schedule[(cursor[0] * K + k) * SCHEDULE + TIME];
        uint word = philox(uvec4((unit0 + u) / 4u, row0 + r, time, STREAM_DROPOUT), uvec2(options[o + KEY_LOW], options[o + KEY_HIGH]))[(unit0 + u) % 4u];
        v = word >> 8 >= options[o + DROPOUT_BELOW] ? v * uintBitsToFloat(options[o + DROPOUT_SCALE]) : 0.0;
    }
    y[offsetOut + (k * R + r) * pitchOut + u] = v;
}
