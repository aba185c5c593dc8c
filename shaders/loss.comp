#version 450
// loss: probability, weighted loss and its gradient from the logit. One thread per (model, row).
// Nothing is clipped (include/loss.glsl). Rows without a window give 0.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "options.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, R, B, row0; };
layout(binding = 0) readonly buffer LogitBuf { float logit[]; };             // logit[K][R]
layout(binding = 1) readonly buffer OrderWindowBuf { uint orderWindow[]; };  // order_window[S][K][B]
layout(binding = 2) readonly buffer OrderWeightBuf { float orderWeight[]; }; // order_weight[S][K][B]
layout(binding = 3) readonly buffer LabelBuf { float label[]; };             // label[N], 0 or 1
layout(binding = 4) readonly buffer OptionsBuf { uint options[]; };          // options[K][OPTIONS]
layout(binding = 5) readonly buffer ScheduleBuf { uint schedule[]; };        // schedule[S][K][SCHEDULE]
layout(binding = 6) readonly buffer CursorBuf { uint cursor[]; };            // cursor[1]
layout(binding = 7) writeonly buffer ProbabilityBuf { float probability[]; }; // out_probability[S][K][B]
layout(binding = 8) writeonly buffer LossBuf { float weighted[]; };           // out_loss[S][K][B], w·l
layout(binding = 9) writeonly buffer DLogitBuf { float dlogit[]; };           // dlogit[K][R], w/batch · dl/dz
#include "loss.glsl"

void main() {
    uint i = threadIndex();
    if (i >= K * R) return;
    uint r = i % R, k = i / R, o = k * OPTIONS;
    uint place = (cursor[0] * K + k) * B + row0 + r, window = orderWindow[place];
    if (window == NO_WINDOW) {
        probability[place] = 0.0;
        weighted[place] = 0.0;
        dlogit[i] = 0.0;
        return;
    }
    float z = logit[i], w = orderWeight[place];
    vec2 l = lossOf(z, label[window] > 0.0, o);
    probability[place] = sigmoid(z);
    weighted[place] = w * l.x;
    dlogit[i] = w * uintBitsToFloat(schedule[(cursor[0] * K + k) * SCHEDULE + INVERSE_BATCH]) * l.y;
}
