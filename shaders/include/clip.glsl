// The factors of gradient clipping, as model.Optimizer.ClipFactors has them. The kernel declares before it
//   squares[K][VARIABLES]          sums of squares of each variable's gradient
//   offsets[VARIABLES], P          push constants: where each variable starts, and how many elements a model has
#ifndef CLIP_GLSL
#define CLIP_GLSL
#extension GL_EXT_control_flow_attributes : require

// The variable that parameter p < P of a model belongs to.
uint variableOf(uint p) {
    uint v = 0u;
    [[unroll]] for (uint i = 1u; i < VARIABLES; i++) {
        if (p >= offsets[i]) v = i;
    }
    return v;
}

// The factor that brings a gradient of the given sum of squares down to norm limit > 0.
float clipFactor(float square, float limit) {
    float norm = sqrt(square);
    return norm > limit ? limit / norm : 1.0;
}

// What the gradient of parameter p of model k is multiplied with. Under the global norm, a norm that is not finite makes every
// factor NaN, as in Keras.
float clip(uint k, uint p, float clipnorm, float globalClipnorm) {
    if (globalClipnorm > 0.0) {
        float total = 0.0;
        [[unroll]] for (uint i = 0u; i < VARIABLES; i++) total += squares[k * VARIABLES + i];
        if ((floatBitsToUint(total) & 0x7f800000u) == 0x7f800000u) return uintBitsToFloat(0x7fc00000u);
        return clipFactor(total, globalClipnorm);
    }
    return clipnorm > 0.0 ? clipFactor(squares[k * VARIABLES + variableOf(p)], clipnorm) : 1.0;
}

#endif
