package gpu

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"vklstm/gpu/internal/vk"
)

// A cache file is cacheMagic, the SHA-256 of the rest, and the driver's own data, which begins with Vulkan's header of
// 32 bytes: its length, version 1, vendor, device, UUID of the driver. The sum is there because not every driver survives
// a damaged cache.
const cacheMagic = "vklstm pipelines 1\n"

// cacheFile is where the pipelines of a device are kept, "" when nowhere.
func cacheFile(p vk.Physical, dir *string) string {
	folder := ""
	if dir != nil {
		folder = *dir
	} else if user, err := os.UserCacheDir(); err == nil {
		folder = filepath.Join(user, "vklstm")
	}
	if folder == "" {
		return ""
	}
	return filepath.Join(folder, fmt.Sprintf("%04x-%04x-%x.bin", p.VendorID, p.DeviceID, p.CacheUUID))
}

// readCache is the driver's data of a cache file; nil when there is none, or it is damaged or another driver's.
func readCache(file string, p vk.Physical) []byte {
	if file == "" {
		return nil
	}
	all, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	rest, ok := bytes.CutPrefix(all, []byte(cacheMagic))
	if !ok || len(rest) < sha256.Size+32 {
		return nil
	}
	data := rest[sha256.Size:]
	if sum := sha256.Sum256(data); !bytes.Equal(sum[:], rest[:sha256.Size]) {
		return nil
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(data[4*i:]) }
	if word(0) != 32 || word(1) != 1 || word(2) != p.VendorID || word(3) != p.DeviceID || !bytes.Equal(data[16:32], p.CacheUUID[:]) {
		return nil
	}
	return data
}

// writeCache replaces a cache file; a reader sees the old or the new one, whole.
func writeCache(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	_, err = temp.Write(append(append([]byte(cacheMagic), sum[:]...), data...))
	if e := temp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		os.Remove(temp.Name())
	}
	return err
}
