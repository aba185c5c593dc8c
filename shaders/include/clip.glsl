// The factors of gradient clipping, as model.Optimizer.ClipFactors has them. The kernel declares before it
//   squares[K][V]      sums of squares of each variable's gradient
//   start(v), V        where variable v begins in a model's parameters (penalty.glsl), and the number of variables
#ifndef CLIP_GLSL
#define CLIP_GLSL

// The variable that parameter p of a model belongs to.
uint variableOf(uint p) {
    uint v = 0u, end = V; // start(v) ≤ p, and the variables from end on begin after p
    while (end - v > 1u) {
        uint middle = (v + end) / 2u;
        if (p >= start(middle)) v = middle;
        else end = middle;
    }
    return v;
}

// The factor that brings a gradient of the given sum of squares down to norm limit > 0.
float clipFactor(float square, float limit) {
    float norm = sqrt(square);
    return norm > limit ? limit / norm : 1.0;
}

// What the gradient of a parameter of model k, in variable v, is multiplied with. Under the global norm, a norm that is not finite makes every
// factor NaN, as in Keras.
float clip(uint k, uint v, float clipnorm, float globalClipnorm) {
    if (globalClipnorm > 0.0) {
        float total = 0.0;
        for (uint i = 0u; i < V; i++) total += squares[k * V + i];
        if ((floatBitsToUint(total) & 0x7f800000u) == 0x7f800000u) return uintBitsToFloat(0x7fc00000u);
        return clipFactor(total, globalClipnorm);
    }
    return clipnorm > 0.0 ? clipFactor(squares[k * V + v], clipnorm) : 1.0;
}

#endif
