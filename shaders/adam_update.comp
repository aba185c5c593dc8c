#version 450
// adam_update: one step of Adam with L2, clipping and decoupled weight decay. One thread per parameter of a model.
//   p −= p·decay   m += (g − m)(1 − β1)   v += (g² − v)(1 − β2)   p −= α·m/(√v + ε)
// with g the clipped gradient, that of the L2 penalty with it, as model.Optimizer.Step has it. A model whose schedule has no batch takes no step.
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
layout(binding = 7) buffer MBuf { float m[]; };                       // m[K][P]
layout(binding = 8) buffer VBuf { float v[]; };                       // v[K][P]
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
    float first = m[i], second = v[i];
    params[i] = adamStep(params[i], g, first, second, o, s);
    m[i] = first;
    v[i] = second;
}
