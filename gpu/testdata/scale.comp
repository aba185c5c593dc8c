// scale: y[i] = a * x[i]. One thread per element.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint n; float a; };
layout(binding = 0) readonly buffer XBuf { float x[]; };
layout(binding = 1) writeonly buffer YBuf { float y[]; };
void main() {
	uint i = threadIndex();
	if (i < n) y[i] = a * x[i];
}
