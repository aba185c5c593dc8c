// tile: y = transpose of x[N][N] in shared tiles whose side is specialisation constant 0. One workgroup per tile.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(constant_id = 0) const uint S = 8;
layout(local_size_x = 8, local_size_y = 8, local_size_x_id = 0, local_size_y_id = 0) in;
layout(push_constant) uniform Dims { uint N; };
layout(binding = 0) readonly buffer XBuf { vec4 x[]; };
layout(binding = 1) writeonly buffer YBuf { vec4 y[]; };
shared vec4 tile[S * S];
shared uint row[S];
void main() {
	uint tiles = (N + S - 1) / S;
	if (groupIndex() >= tiles * tiles) return;
	uint r0 = groupIndex() / tiles * S, c0 = groupIndex() % tiles * S;
	uint lx = gl_LocalInvocationID.x, ly = gl_LocalInvocationID.y;
	if (lx == 0) row[ly] = (r0 + ly) * N;
	barrier();
	if (r0 + ly < N && c0 + lx < N) tile[ly * S + lx] = x[row[ly] + c0 + lx];
	barrier();
	if (c0 + ly < N && r0 + lx < N) y[(c0 + ly) * N + r0 + lx] = tile[lx * S + ly];
}
