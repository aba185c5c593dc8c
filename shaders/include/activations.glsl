// Activations made of Vulkan's primitives, whose precision is bounded: exp 3 + 2|x| ulp, division 2.5 ulp. Vulkan's own tanh
// has no bound near 0, and its log only an absolute one.
#ifndef ACTIVATIONS_GLSL
#define ACTIVATIONS_GLSL

// 1/(1 + exp(−z)). The exponent is never positive, so nothing overflows, and sigmoid(−z) has as many good digits as
// sigmoid(z).
float sigmoid(float z) {
    float e = exp(-abs(z));
    return (z < 0.0 ? e : 1.0) / (1.0 + e);
}

// tanh(z) for |z| < 1/2: an odd polynomial, minimax in the relative error, which is 6e-3 units of 2⁻²⁴.
float tanhSmall(float z) {
    float w = z * z;
    float p = ((((-0.006653572898358107 * w + 0.02130170352756977) * w - 0.05389996990561485) * w + 0.13332970440387726) * w
        - 0.333333283662796) * w;
    return z + z * p;
}

// tanh(z) with a relative error of about 2⁻²¹: beyond the polynomial (1 − e)/(1 + e) with e = exp(−2|z|) ≤ 0.37, where the
// difference loses nothing.
float tanhBounded(float z) {
    float a = abs(z), e = exp(-2.0 * a);
    float t = (1.0 - e) / (1.0 + e);
    return a < 0.5 ? tanhSmall(z) : z < 0.0 ? -t : t; // both are computed: cheaper than a branch
}

// log(1 + e) for e in [0, 1], with a relative error that stays small at both ends: 2·atanh(s) with s = e/(2 + e) ≤ 1/3, whose series
// is cut where its terms fall below 2⁻²⁸ of the sum.
float log1pOf(float e) {
    float s = e / (2.0 + e);
    float w = s * s;
    float series = 1.0 + w * (1.0 / 3.0 + w * (1.0 / 5.0 + w * (1.0 / 7.0 + w * (1.0 / 9.0 + w * (1.0 / 11.0 + w * (1.0 / 13.0
        + w * (1.0 / 15.0 + w * (1.0 / 17.0))))))));
    return 2.0 * s * series;
}

// log(1 + exp(z)).
float softplus(float z) { return (z > 0.0 ? z : 0.0) + log1pOf(exp(-abs(z))); }

// log(x) of a normal x > 0: x = 2^n·m with m in [√½, √2], log m as in log1pOf.
float logOf(float x) {
    int n;
    float m = frexp(x, n);
    if (m < 0.70710678) {
        m *= 2.0;
        n--;
    }
    float s = (m - 1.0) / (m + 1.0), w = s * s;
    return float(n) * 0.69314718 + 2.0 * s * (1.0 + w * (1.0 / 3.0 + w * (1.0 / 5.0 + w * (1.0 / 7.0 + w * (1.0 / 9.0 + w * (1.0 / 11.0))))));
}

float relu(float z) { return z < 0.0 ? 0.0 : z; } // NaN stays NaN

// dy·act'(z) for y = act(z): 0 linear, 1 relu, 2 sigmoid, 3 tanh.
float slope(uint activation, float dy, float y) {
    if (activation == 1u) return y > 0.0 ? dy : 0.0;
    if (activation == 2u) return dy * (y * (1.0 - y));
    if (activation == 3u) return dy * (1.0 - y * y);
    return dy;
}

#endif
