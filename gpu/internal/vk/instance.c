//go:build cgo

// The loader, the instance's create info, and the questions that the binding's 1.1.88 headers cannot ask.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shim.h"
#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

static GetProcAddr getInstanceProc;

void *shim_load(const char *library, char *error, size_t size) {
#ifdef _WIN32
	HMODULE module = LoadLibraryA(library);
	if (!module) {
		snprintf(error, size, "%s: Windows error %lu", library, (unsigned long)GetLastError());
		return NULL;
	}
	getInstanceProc = (GetProcAddr)(void *)GetProcAddress(module, "vkGetInstanceProcAddr");
#else
	void *module = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!module) {
		snprintf(error, size, "%s", dlerror());
		return NULL;
	}
	*(void **)&getInstanceProc = dlsym(module, "vkGetInstanceProcAddr");
#endif
	if (!getInstanceProc) snprintf(error, size, "%s: has no vkGetInstanceProcAddr", library);
	return *(void **)&getInstanceProc;
}

uint32_t shim_loader_version(void) {
	int32_t (*version)(uint32_t *) = (int32_t (*)(uint32_t *))getInstanceProc(NULL, "vkEnumerateInstanceVersion");
	uint32_t v = 1 << 22;
	if (version) version(&v);
	return v;
}

int shim_has_layer(const char *layer) {
	int32_t (*list)(uint32_t *, LayerProperties *) = (int32_t (*)(uint32_t *, LayerProperties *))getInstanceProc(NULL, "vkEnumerateInstanceLayerProperties");
	uint32_t n = 0;
	if (!list || list(&n, NULL) || !n) return 0;
	LayerProperties *all = calloc(n, sizeof *all);
	if (!all) return 0;
	int found = 0;
	if (list(&n, all) >= 0)
		for (uint32_t i = 0; i < n; i++) found |= !strcmp(all[i].name, layer);
	free(all);
	return found;
}

int shim_has_extension(const char *layer, const char *extension) {
	int32_t (*list)(const char *, uint32_t *, ExtensionProperties *) = (int32_t (*)(const char *, uint32_t *, ExtensionProperties *))getInstanceProc(NULL, "vkEnumerateInstanceExtensionProperties");
	uint32_t n = 0;
	if (!list || list(layer, &n, NULL) || !n) return 0;
	ExtensionProperties *all = calloc(n, sizeof *all);
	if (!all) return 0;
	int found = 0;
	if (list(layer, &n, all) >= 0)
		for (uint32_t i = 0; i < n; i++) found |= !strcmp(all[i].name, extension);
	free(all);
	return found;
}

extern void vklstmMessage(uint64_t listener, char *id, char *text);  // messages.go

static uint32_t onMessage(uint32_t severity, uint32_t types, const CallbackData *data, void *user) {
	(void)severity, (void)types;
	vklstmMessage((uint64_t)(uintptr_t)user, (char *)(data->idName ? data->idName : ""), (char *)(data->message ? data->message : ""));
	return 0;
}

static const char layerName[] = "VK_LAYER_KHRONOS_validation";

// Chain is an instance's create info with everything it points to, so that one free() ends it all.
typedef struct {
	InstanceCreateInfo info;
	ApplicationInfo app;
	MessengerCreateInfo listen;
	ValidationFeatures features;
	LayerSettingsCreateInfo settingsInfo;
	LayerSetting settings[4];
	uint32_t yes, enables[2];
	const char *layers[1], *extensions[4];
} Chain;

void *shim_instance_info(int validation, int assisted, int portability, uint64_t listener) {
	Chain *c = calloc(1, sizeof *c);
	if (!c) return NULL;
	c->app = (ApplicationInfo){.sType = ST_APPLICATION_INFO, .app = "vklstm", .engine = "vklstm", .apiVersion = 1 << 22 | 1 << 12};
	c->info = (InstanceCreateInfo){.sType = ST_INSTANCE_CREATE_INFO, .app = &c->app, .layer = c->layers, .extension = c->extensions};
	if (portability) {
		c->info.flags = 1;
		c->extensions[c->info.extensions++] = "VK_KHR_portability_enumeration";
	}
	if (!validation) return c;
	c->layers[c->info.layers++] = layerName;
	c->extensions[c->info.extensions++] = "VK_EXT_debug_utils";
	// Errors and warnings of validation. In the chain the listener hears creation and destruction of the instance too.
	c->listen = (MessengerCreateInfo){.sType = ST_MESSENGER_CREATE_INFO, .severity = 0x1000 | 0x100, .types = 2, .callback = onMessage, .user = (void *)(uintptr_t)listener};
	c->info.pNext = &c->listen;
	if (shim_has_extension(layerName, "VK_EXT_layer_settings")) {
		c->yes = 1;
		uint32_t n = 0;
		c->settings[n++] = (LayerSetting){layerName, "validate_sync", 0, 1, &c->yes};
		c->settings[n++] = (LayerSetting){layerName, "syncval_shader_accesses_heuristic", 0, 1, &c->yes};
		if (assisted) c->settings[n++] = (LayerSetting){layerName, "gpuav_enable", 0, 1, &c->yes};
		c->settingsInfo = (LayerSettingsCreateInfo){ST_LAYER_SETTINGS_CREATE_INFO, NULL, n, c->settings};
		c->listen.pNext = &c->settingsInfo;
	} else {
		uint32_t n = 0;
		c->enables[n++] = 4;                 // synchronisation validation
		if (assisted) c->enables[n++] = 0;  // GPU-assisted
		c->features = (ValidationFeatures){.sType = ST_VALIDATION_FEATURES, .enabled = n, .enable = c->enables};
		c->listen.pNext = &c->features;
	}
	return c;
}

int32_t shim_listen(handle instance, const void *info, object *messenger) {
	int32_t (*create)(handle, const MessengerCreateInfo *, const void *, object *) = (int32_t (*)(handle, const MessengerCreateInfo *, const void *, object *))getInstanceProc(instance, "vkCreateDebugUtilsMessengerEXT");
	if (!create) return -7;
	MessengerCreateInfo listen = ((const Chain *)info)->listen;
	listen.pNext = NULL;
	return create(instance, &listen, NULL, messenger);
}

void shim_unlisten(handle instance, object messenger) {
	void (*destroy)(handle, object, const void *) = (void (*)(handle, object, const void *))getInstanceProc(instance, "vkDestroyDebugUtilsMessengerEXT");
	if (destroy) destroy(instance, messenger, NULL);
}

static const char matrixExtension[] = "VK_KHR_cooperative_matrix", halfExtension[] = "VK_KHR_shader_float16_int8", modelExtension[] = "VK_KHR_vulkan_memory_model";

// matrixOf chooses among a device's cooperative matrices of float16 that are summed in float32: 16 × 16 × 16, which most have,
// else the largest. It leaves 0 where a feature that they need is missing.
static int32_t matrixOf(handle instance, handle physical, uint32_t matrix[3]) {
	void (*features)(handle, Features2 *) = (void (*)(handle, Features2 *))getInstanceProc(instance, "vkGetPhysicalDeviceFeatures2");
	void (*properties)(handle, Properties2 *) = (void (*)(handle, Properties2 *))getInstanceProc(instance, "vkGetPhysicalDeviceProperties2");
	int32_t (*shapes)(handle, uint32_t *, MatrixProperties *) = (int32_t (*)(handle, uint32_t *, MatrixProperties *))getInstanceProc(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
	if (!features || !properties || !shapes) return 0;
	HalfFeatures half = {.sType = ST_HALF_FEATURES};
	MemoryModelFeatures model = {.sType = ST_MEMORY_MODEL_FEATURES, .pNext = &half};
	MatrixFeatures can = {.sType = ST_MATRIX_FEATURES, .pNext = &model};
	Features2 all = {.sType = ST_FEATURES_2, .pNext = &can};
	features(physical, &all);
	MatrixStages stages = {.sType = ST_MATRIX_STAGES};
	Properties2 about = {.sType = ST_PROPERTIES_2, .pNext = &stages};
	properties(physical, &about);
	uint32_t n = 0;
	if (!half.float16 || !model.model || !model.deviceScope || !can.matrix || !(stages.stages & 0x20) || shapes(physical, &n, NULL) || !n) return 0;
	MatrixProperties *list = calloc(n, sizeof *list);
	if (!list) return -1;
	for (uint32_t i = 0; i < n; i++) list[i].sType = ST_MATRIX_PROPERTIES;
	if (shapes(physical, &n, list) < 0) n = 0;
	for (uint32_t i = 0; i < n; i++) {
		const MatrixProperties *x = &list[i];
		if (x->a != 0 || x->b != 0 || x->c != 1 || x->result != 1 || x->saturating || x->scope != 3) continue;  // float16, float32, subgroup
		int sixteen = x->m == 16 && x->n == 16 && x->k == 16;
		if (sixteen || x->m * x->n * x->k > matrix[0] * matrix[1] * matrix[2]) matrix[0] = x->m, matrix[1] = x->n, matrix[2] = x->k;
		if (sixteen) break;
	}
	free(list);
	return 0;
}

int32_t shim_details(handle instance, handle physical, uint32_t api, Details *d) {
	memset(d, 0, sizeof *d);
	void (*families)(handle, uint32_t *, QueueFamilyProperties *) = (void (*)(handle, uint32_t *, QueueFamilyProperties *))getInstanceProc(instance, "vkGetPhysicalDeviceQueueFamilyProperties");
	int32_t (*extensions)(handle, const char *, uint32_t *, ExtensionProperties *) = (int32_t (*)(handle, const char *, uint32_t *, ExtensionProperties *))getInstanceProc(instance, "vkEnumerateDeviceExtensionProperties");
	if (!families || !extensions) return -3;
	QueueFamilyProperties f[16];
	d->families = 16;
	families(physical, &d->families, f);
	for (uint32_t i = 0; i < d->families; i++) d->familyFlags[i] = f[i].flags, d->familyCount[i] = f[i].count, d->familyTimestamps[i] = f[i].timestampBits;
	int driver = api >= (1u << 22 | 2u << 12), sizeControl = 0, sm = 0, core = 0, arm = 0, half = 0, model = 0, matrix = 0;
	uint32_t n = 0;
	if (!extensions(physical, NULL, &n, NULL) && n) {
		ExtensionProperties *all = calloc(n, sizeof *all);
		if (!all) return -1;
		if (extensions(physical, NULL, &n, all) >= 0)
			for (uint32_t i = 0; i < n; i++) {
				driver |= !strcmp(all[i].name, "VK_KHR_driver_properties");
				d->portability |= !strcmp(all[i].name, "VK_KHR_portability_subset");
				sizeControl |= !strcmp(all[i].name, "VK_EXT_subgroup_size_control");
				sm |= !strcmp(all[i].name, "VK_NV_shader_sm_builtins");
				core |= !strcmp(all[i].name, "VK_AMD_shader_core_properties");
				arm |= !strcmp(all[i].name, "VK_ARM_shader_core_builtins");
				half |= !strcmp(all[i].name, halfExtension);
				model |= !strcmp(all[i].name, modelExtension);
				matrix |= !strcmp(all[i].name, matrixExtension);
			}
		free(all);
	}
	void (*properties)(handle, Properties2 *) = (void (*)(handle, Properties2 *))getInstanceProc(instance, "vkGetPhysicalDeviceProperties2");
	if (!properties || api < (1u << 22 | 1u << 12)) return 0;
	DriverProperties named = {.sType = ST_DRIVER_PROPERTIES};
	Maintenance3Properties memory = {.sType = ST_MAINTENANCE_3_PROPERTIES, .pNext = driver ? &named : NULL};
	SubgroupProperties subgroup = {.sType = ST_SUBGROUP_PROPERTIES, .pNext = &memory};
	Properties2 all = {.sType = ST_PROPERTIES_2, .pNext = &subgroup};
	SubgroupSizeProperties sizes = {.sType = ST_SUBGROUP_SIZE_PROPERTIES};
	SMBuiltinsProperties nvidia = {.sType = ST_SM_BUILTINS_PROPERTIES};
	CoreProperties amd = {.sType = ST_CORE_PROPERTIES};
	CoreBuiltinsProperties cores = {.sType = ST_CORE_BUILTINS_PROPERTIES};
	if (sizeControl) sizes.pNext = all.pNext, all.pNext = &sizes;
	if (sm) nvidia.pNext = all.pNext, all.pNext = &nvidia;
	if (core) amd.pNext = all.pNext, all.pNext = &amd;
	if (arm) cores.pNext = all.pNext, all.pNext = &cores;
	properties(physical, &all);
	d->multiprocessors = sm ? nvidia.multiprocessors : core ? amd.engines * amd.arraysPerEngine * amd.unitsPerArray : cores.cores;
	void (*features)(handle, Features2 *) = (void (*)(handle, Features2 *))getInstanceProc(instance, "vkGetPhysicalDeviceFeatures2");
	if (sizeControl && features) {
		SubgroupSizeFeatures can = {.sType = ST_SUBGROUP_SIZE_FEATURES};
		Features2 asked = {.sType = ST_FEATURES_2, .pNext = &can};
		features(physical, &asked);
		if (can.sizeControl && can.fullSubgroups) d->fullSubgroups = 1, d->subgroupSmallest = sizes.smallest, d->subgroupLargest = sizes.largest;
	}
	d->subgroupSize = subgroup.size, d->subgroupStages = subgroup.stages, d->subgroupOperations = subgroup.operations;
	d->maxAllocation = memory.maxMemoryAllocationSize;
	memcpy(d->driverName, named.name, 255), memcpy(d->driverInfo, named.info, 255);
	if (half && model && matrix) return matrixOf(instance, physical, d->matrix);
	return 0;
}

typedef struct {
	DeviceCreateInfo info;
	DeviceQueueCreateInfo queue;
	float priority;
	SubgroupSizeFeatures subgroups;
	HalfFeatures half;
	MemoryModelFeatures model;
	MatrixFeatures matrix;
	const char *extensions[5];
} DeviceChain;

void *shim_device_info(uint32_t family, const Details *details) {
	DeviceChain *c = calloc(1, sizeof *c);
	if (!c) return NULL;
	c->priority = 1;
	c->queue = (DeviceQueueCreateInfo){.sType = ST_DEVICE_QUEUE_CREATE_INFO, .family = family, .count = 1, .priorities = &c->priority};
	c->info = (DeviceCreateInfo){.sType = ST_DEVICE_CREATE_INFO, .queues = 1, .queue = &c->queue, .extension = c->extensions};
	if (details->portability) c->extensions[c->info.extensions++] = "VK_KHR_portability_subset";
	if (details->fullSubgroups) {
		c->extensions[c->info.extensions++] = "VK_EXT_subgroup_size_control";
		c->subgroups = (SubgroupSizeFeatures){.sType = ST_SUBGROUP_SIZE_FEATURES, .sizeControl = 1, .fullSubgroups = 1};
		c->info.pNext = &c->subgroups;
	}
	if (details->matrix[0]) {
		c->half = (HalfFeatures){ST_HALF_FEATURES, (void *)c->info.pNext, 1, 0};
		c->model = (MemoryModelFeatures){ST_MEMORY_MODEL_FEATURES, &c->half, 1, 1, 0};  // with the model on, atomics of other kernels need their scope
		c->matrix = (MatrixFeatures){ST_MATRIX_FEATURES, &c->model, 1, 0};
		c->info.pNext = &c->matrix;
		c->extensions[c->info.extensions++] = halfExtension;
		c->extensions[c->info.extensions++] = modelExtension;
		c->extensions[c->info.extensions++] = matrixExtension;
	}
	return c;
}

GetProcAddr shim_instance_proc(void) { return getInstanceProc; }
