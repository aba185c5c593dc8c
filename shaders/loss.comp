#version 450
// loss: probability, weighted loss and its gradient from the logit. One thread per (model, row).
// With s = 2y − 1 and q = sigmoid(−s·z), the probability of the wrong class:
//   crossentropy  l = softplus(−s·z)          dl/dz = −s·q
//   focal         l = α_t·q^γ·softplus(−s·z)  dl/dz = −s·α_t·q^γ·(γ·(1 − q)·softplus(−s·z) + q)
// where q^γ = exp(−γ·softplus(s·z)), so that nothing is lost where q rounds to 0 or 1; nothing is clipped. Rows without a
// window give 0.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "activations.glsl"
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
    bool positive = label[window] > 0.0;
    float z = logit[i], s = positive ? 1.0 : -1.0, w = orderWeight[place];
    float l = softplus(-s * z), q = sigmoid(-s * z), slope = q;
    if (options[o + LOSS_KIND] == LOSS_FOCAL) {
        float alpha = uintBitsToFloat(options[o + FOCAL_ALPHA]), gamma = uintBitsToFloat(options[o + FOCAL_GAMMA]);
        float factor = (positive ? alpha : 1.0 - alpha) * exp(-gamma * softplus(s * z));
        slope = factor * (gamma * sigmoid(s * z) * l + q);
        l = factor * l;
    }
    probability[place] = sigmoid(z);
    weighted[place] = w * l;
    dlogit[i] = w * uintBitsToFloat(schedule[(cursor[0] * K + k) * SCHEDULE + INVERSE_BATCH]) * (-s * slope);
}
