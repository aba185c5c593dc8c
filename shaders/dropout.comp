#version 450
// dropout: drops units and scales the others by 1/(1 − rate). One thread per (model, time step, row, unit).
// A unit is kept when its random word is at or above the threshold; on gradients the same kernel is its own backward. With a
// threshold of 0 it copies. Input and output may be parts of larger rows and buffers, as the last step's h is of one direction; unit0
// is the first unit's number in the layer's whole output of W units, by which it draws. T is 1 where a window has one vector. In
// reverse the input's time steps are taken from the last to the first.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "options.glsl"
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims {
    uint K, T, R, H, W, row0, unit0;
    uint offset, stride, pitch;         // of the input, elements; stride: from model to model, pitch: from row to row
    uint offsetOut, pitchOut;
    uint below, layer, reverse;         // below: dropped when word>>8 is; layer: how many others come before; reverse: 0 or 1
    float scale;
};
layout(binding = 0) readonly buffer InBuf { float x[]; };             // offset + k·stride + (t·R + r)·pitch + [H]
layout(binding = 1) readonly buffer OptionsBuf { uint options[]; };   // options[K][OPTIONS]
layout(binding = 2) readonly buffer ScheduleBuf { uint schedule[]; }; // schedule[S][K][SCHEDULE]
layout(binding = 3) readonly buffer CursorBuf { uint cursor[]; };     // cursor[1]
layout(binding = 4) writeonly buffer OutBuf { float y[]; };           // offsetOut + ((k·T + t)·R + r)·pitchOut + [H]

void main() {
    uint i = threadIndex();
    if (i >= K * T * R * H) return;
    uint u = i % H, r = i / H % R, t = i / (H * R) % T, k = i / (H * R * T), o = k * OPTIONS;
    uint from = reverse != 0u ? T - 1u - t : t;
    precise float v = x[offset + k * stride + (from * R + r) * pitch + u];
    if (below != 0u) {
        uint time = schedule[(cursor[0] * K + k) * SCHEDULE + TIME], element = t * W + unit0 + u;
        uvec2 key = uvec2(options[o + KEY_LOW], options[o + KEY_HIGH]);
        uint word = philox(uvec4(element / 4u, row0 + r, time, STREAM_DROPOUT | layer << 8), key)[element % 4u];
        v = word >> 8 >= below ? v * scale : 0.0;
    }
    y[offsetOut + ((k * T + t) * R + r) * pitchOut + u] = v;
}
