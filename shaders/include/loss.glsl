// The losses from the logit z. With s = 2y − 1 and q = sigmoid(−s·z), the probability of the wrong class:
//   crossentropy  l = softplus(−s·z)          dl/dz = −s·q
//   focal         l = α_t·q^γ·softplus(−s·z)  dl/dz = −s·α_t·q^γ·(γ·(1 − q)·softplus(−s·z) + q)
// where q^γ = exp(−γ·softplus(s·z)), so that nothing is lost where q rounds to 0 or 1; nothing is clipped. With label smoothing, of
// the crossentropy, half of its share is the target's of the other class. The kernel declares before it
//   options[K][OPTIONS]
#ifndef LOSS_GLSL
#define LOSS_GLSL
#include "activations.glsl"

// The loss of one window and its derivative by z. o is where the model's options begin.
vec2 lossOf(float z, bool positive, uint o) {
    float s = positive ? 1.0 : -1.0;
    float l = softplus(-s * z), q = sigmoid(-s * z), slope = q;
    if (options[o + LOSS_KIND] == LOSS_FOCAL) {
        float alpha = uintBitsToFloat(options[o + FOCAL_ALPHA]), gamma = uintBitsToFloat(options[o + FOCAL_GAMMA]);
        float factor = (positive ? alpha : 1.0 - alpha) * exp(-gamma * softplus(s * z));
        slope = factor * (gamma * sigmoid(s * z) * l + q);
        l = factor * l;
        return vec2(l, -s * slope);
    }
    float other = 0.5 * uintBitsToFloat(options[o + LABEL_SMOOTHING]);
    if (other > 0.0) {
        l = (1.0 - other) * l + other * softplus(s * z);
        slope = q - other; // of the mean: (1 − other)·q − other·(1 − q)
    }
    return vec2(l, -s * slope);
}

#endif
