// many: y[i] = sum of nine inputs, more buffers than the four that Vulkan promises.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 32) in;
layout(push_constant) uniform Dims { uint n; };
layout(binding = 0) readonly buffer A { uint a[]; };
layout(binding = 1) readonly buffer B { uint b[]; };
layout(binding = 2) readonly buffer C { uint c[]; };
layout(binding = 3) readonly buffer D { uint d[]; };
layout(binding = 4) readonly buffer E { uint e[]; };
layout(binding = 5) readonly buffer F { uint f[]; };
layout(binding = 6) readonly buffer G { uint g[]; };
layout(binding = 7) readonly buffer H { uint h[]; };
layout(binding = 8) readonly buffer I { uint i_[]; };
layout(binding = 9) writeonly buffer Y { uint y[]; };
void main() {
	uint i = threadIndex();
	if (i < n) y[i] = a[i] + b[i] + c[i] + d[i] + e[i] + f[i] + g[i] + h[i] + i_[i];
}
