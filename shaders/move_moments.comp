#version 450
// move_moments: moving = m·moving + (1 − m)·batch's, of mean and variance. One thread per value.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "options.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, W, P, offset; float momentum, rest; }; // offset: of the moving mean[W], and variance[W], in params; rest = 1 − momentum
layout(binding = 0) readonly buffer MomentsBuf { float moments[]; }; // moments[K][2W + 1]
layout(binding = 1) readonly buffer ScheduleBuf { uint schedule[]; }; // schedule[S][K][SCHEDULE]
layout(binding = 2) readonly buffer CursorBuf { uint cursor[]; };     // cursor[1]
layout(binding = 3) buffer ParamsBuf { float params[]; };             // params[K][P]

void main() {
    uint i = threadIndex();
    if (i >= K * 2u * W) return;
    uint k = i / (2u * W), j = i % (2u * W), at = k * P + offset + j;
    if (uintBitsToFloat(schedule[(cursor[0] * K + k) * SCHEDULE + INVERSE_BATCH]) == 0.0) return; // the model takes no step
    params[at] = params[at] * momentum + moments[k * (2u * W + 1u) + j] * rest;
}
