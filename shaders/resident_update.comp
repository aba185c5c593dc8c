#version 450
// resident_update: the gradient as the sum of its parts, in order, and the optimizer's step with it. One thread per parameter.
// UPDATE 0 stores the gradient alone; 1 is adam_update and 2 sgd_update without clipping and L2, and then the step is over: the cursor
// moves on. A model whose schedule has no batch takes no step.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
#include "options.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint UPDATE = 0u;
layout(push_constant) uniform Dims { uint K, P, size, parts; };
layout(binding = 0) readonly buffer PartBuf { float part[]; };        // part[K][parts][P]
layout(binding = 1) readonly buffer OptionsBuf { uint options[]; };   // options[K][OPTIONS]
layout(binding = 2) readonly buffer ScheduleBuf { uint schedule[]; }; // schedule[S][K][SCHEDULE]
layout(binding = 3) readonly buffer TakenBuf { uint taken[]; };       // taken[1], this step, from resident_weight
layout(binding = 4) writeonly buffer GradsBuf { float grads[]; };     // grads[K][P]
layout(binding = 5) buffer ParamsBuf { float params[]; };             // params[K][P]
layout(binding = 6) buffer MBuf { float m[]; };                       // m[K][P]
layout(binding = 7) buffer VBuf { float v[]; };                       // v[K][P]
layout(binding = 8) writeonly buffer CursorBuf { uint cursor[]; };    // cursor[1], the next step
#include "optimizer.glsl"

const uint AHEAD = 16u;

void main() {
    uint id = threadIndex(), step = taken[0];
    if (UPDATE != 0u && id == 0u) cursor[0] = step + 1u;
    if (id >= K * size) return;
    uint k = id / size, p = id - k * size, i = k * P + p, o = k * OPTIONS, s = (step * K + k) * SCHEDULE;
    if (UPDATE != 0u && uintBitsToFloat(schedule[s + INVERSE_BATCH]) == 0.0) return;
    float g = 0.0;
    for (uint c = 0u; c < parts; c += AHEAD) {
        float next[AHEAD]; // loaded together, added in order
        [[unroll]] for (uint e = 0u; e < AHEAD; e++) {
            float one = part[(k * parts + min(c + e, parts - 1u)) * P + p];
            next[e] = c + e < parts ? one : 0.0;
        }
        [[unroll]] for (uint e = 0u; e < AHEAD; e++) g += next[e];
    }
    if (UPDATE == 0u) {
        grads[i] = g;
        return;
    }
    if (UPDATE == 2u) {
        params[i] = sgdStep(params[i], g, s);
        return;
    }
    float first = m[i], second = v[i];
    params[i] = adamStep(params[i], g, first, second, o, s);
    m[i] = first;
    v[i] = second;
}
