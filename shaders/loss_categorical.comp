#version 450
// loss_categorical: the softmax of a row's C logits, its weighted loss, and the gradient of the step's loss by them. One thread per
// (model, row). With target t, 1 of the true class and 0 of the others, which label smoothing mixes with 1/C, and q_c = 1 − p_c,
//   l = Σ_c α_c·t_c·q_c^γ·(−log p_c)
// of which crossentropy is γ = 0 with all α = 1. The derivative of a term by its own logit is h_c = α_c·t_c·q_c^γ·(γ·p_c·log p_c − q_c),
// by logit j −h_c·p_j/q_c. q_c is the sum of the other probabilities, so that nothing is lost where p_c rounds to 1; nothing is
// clipped. Rows without a window give 0.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "options.glsl"
#include "activations.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, R, B, C, row0; };
layout(binding = 0) readonly buffer LogitBuf { float logit[]; };              // logit[K][R][C]
layout(binding = 1) readonly buffer OrderWindowBuf { uint orderWindow[]; };   // order_window[S][K][B]
layout(binding = 2) readonly buffer OrderWeightBuf { float orderWeight[]; };  // order_weight[S][K][B]
layout(binding = 3) readonly buffer LabelBuf { float label[]; };              // label[N], 0 … C − 1
layout(binding = 4) readonly buffer OptionsBuf { uint options[]; };           // options[K][OPTIONS]
layout(binding = 5) readonly buffer ScheduleBuf { uint schedule[]; };         // schedule[S][K][SCHEDULE]
layout(binding = 6) readonly buffer CursorBuf { uint cursor[]; };             // cursor[1]
layout(binding = 7) readonly buffer AlphaBuf { float alphas[]; };             // alphas[K][C], of the focal loss
layout(binding = 8) buffer ProbabilityBuf { float probability[]; };           // out_probability[S][K][B][C]
layout(binding = 9) writeonly buffer LossBuf { float weighted[]; };           // out_loss[S][K][B], w·l
layout(binding = 10) buffer DLogitBuf { float dlogit[]; };                    // dlogit[K][R][C]

void main() {
    uint i = threadIndex();
    if (i >= K * R) return;
    uint r = i % R, k = i / R, o = k * OPTIONS, z = i * C;
    uint place = (cursor[0] * K + k) * B + row0 + r, window = orderWindow[place], p = place * C;
    for (uint c = 0u; c < C; c++) dlogit[z + c] = 0.0;
    if (window == NO_WINDOW) {
        for (uint c = 0u; c < C; c++) probability[p + c] = 0.0;
        weighted[place] = 0.0;
        return;
    }
    float most = logit[z], sum = 0.0;
    for (uint c = 1u; c < C; c++) most = logit[z + c] < most ? most : logit[z + c]; // a NaN stays
    for (uint c = 0u; c < C; c++) {
        float e = exp(logit[z + c] - most);
        probability[p + c] = e;
        sum += e;
    }
    for (uint c = 0u; c < C; c++) probability[p + c] /= sum;

    uint y = uint(label[window]);
    bool focal = options[o + LOSS_KIND] == LOSS_FOCAL;
    float smoothing = uintBitsToFloat(options[o + LABEL_SMOOTHING]), gamma = focal ? uintBitsToFloat(options[o + FOCAL_GAMMA]) : 0.0;
    float w = orderWeight[place], scale = w * uintBitsToFloat(schedule[(cursor[0] * K + k) * SCHEDULE + INVERSE_BATCH]), l = 0.0;
    for (uint c = 0u; c < C; c++) {
        float t = smoothing / float(C) + (c == y ? 1.0 - smoothing : 0.0);
        if (t == 0.0) continue;
        float q = 0.0, own = probability[p + c];
        for (uint j = 0u; j < C; j++) q += j == c ? 0.0 : probability[p + j];
        float minusLog = own > 0.5 ? log1pOf(q / own) : most - logit[z + c] + logOf(sum);
        float power = gamma == 0.0 ? 1.0 : q > 0.0 ? exp(gamma * logOf(q)) : 0.0, f = focal ? t * alphas[k * C + c] * power : t;
        float h = f * (-gamma * own * minusLog - q);
        l += f * minusLog;
        dlogit[z + c] += scale * h;
        for (uint j = 0u; j < C; j++) {
            if (j != c && q > 0.0) dlogit[z + j] -= scale * h * probability[p + j] / q;
        }
    }
    weighted[place] = w * l;
}
