// mix: y[i] = 3 * y[i] + x[i] modulo 2³², where the order of dispatches shows. One thread per element.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint n; };
layout(binding = 0) readonly buffer XBuf { uint x[]; };
layout(binding = 1) buffer YBuf { uint y[]; };
void main() {
	uint i = threadIndex();
	if (i < n) y[i] = 3 * y[i] + x[i];
}
