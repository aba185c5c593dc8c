#version 450
// sgd_update: p −= p·decay + α·g with g the clipped gradient, that of the L2 penalty with it. One thread per parameter of a model.
// A model whose schedule has no batch takes no step.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "options.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, P, V; };
layout(binding = 0) readonly buffer GradsBuf { float grads[]; };      // grads[K][P]
layout(binding = 1) readonly buffer SquaresBuf { float squares[]; };  // squares[K][V], of the gradient with its penalty
layout(binding = 2) readonly buffer StartsBuf { uint starts[]; };      // starts[V+1], where each variable begins (penalty.glsl)
layout(binding = 3) readonly buffer OptionsBuf { uint options[]; };   // options[K][OPTIONS]
layout(binding = 4) readonly buffer ScheduleBuf { uint schedule[]; }; // schedule[S][K][SCHEDULE]
layout(binding = 5) readonly buffer CursorBuf { uint cursor[]; };     // cursor[1]
layout(binding = 6) buffer ParamsBuf { float params[]; };             // params[K][P]
#include "penalty.glsl"
#include "clip.glsl"
#include "optimizer.glsl"

void main() {
    uint i = threadIndex();
    if (i >= K * P) return;
    uint k = i / P, o = k * OPTIONS, s = (cursor[0] * K + k) * SCHEDULE;
    if (i - k * P >= start(V)) return; // moving moments, which no optimizer moves, and padding
    if (uintBitsToFloat(schedule[s + INVERSE_BATCH]) == 0.0) return;
    uint of = variableOf(i - k * P);
    float g = penalised(grads[i], params[i], penalty(of, o))
        * clip(k, of, uintBitsToFloat(options[o + CLIPNORM]), uintBitsToFloat(options[o + GLOBAL_CLIPNORM]));
    params[i] = sgdStep(params[i], g, s);
}
