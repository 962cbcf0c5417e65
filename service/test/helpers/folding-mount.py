"""Mounts a folder as a file system that ignores case and how accents are written: what macOS and Windows have.

usage: folding-mount.py <folder> <mount point>
Needs fusepy, libfuse 2 and /dev/fuse. Ends with SIGTERM, which unmounts.
"""

import os
import sys
import unicodedata

from fuse import FUSE, FuseOSError, Operations


def fold(name):
    return unicodedata.normalize("NFC", name).casefold()


def translated(call, *args, **options):
    try:
        return call(*args, **options)
    except OSError as error:
        raise FuseOSError(error.errno) from error


class Folding(Operations):
    use_ns = True

    def __init__(self, root):
        self.root = root

    def real(self, path):
        """The path whose every name is written as the entry that is there, or as asked where there is none."""
        current = self.root
        for segment in filter(None, path.split("/")):
            found = os.path.join(current, segment)
            if not os.path.lexists(found) and os.path.isdir(current):
                names = [name for name in os.listdir(current) if fold(name) == fold(segment)]
                found = os.path.join(current, names[0] if names else segment)
            current = found
        return current

    def getattr(self, path, fh=None):
        found = translated(os.lstat, self.real(path))
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino")
        times = {name: getattr(found, f"{name}_ns") for name in ("st_atime", "st_mtime", "st_ctime")}
        return {**{name: getattr(found, name) for name in names}, **times}

    def readdir(self, path, fh):
        return [".", "..", *translated(os.listdir, self.real(path))]

    def mkdir(self, path, mode):
        translated(os.mkdir, self.real(path), mode)

    def rmdir(self, path):
        translated(os.rmdir, self.real(path))

    def unlink(self, path):
        translated(os.unlink, self.real(path))

    def rename(self, old, new):
        translated(os.rename, self.real(old), self.real(new))

    def link(self, target, source):
        translated(os.link, self.real(source), self.real(target))

    def open(self, path, flags):
        return translated(os.open, self.real(path), flags)

    def create(self, path, mode, fi=None):
        return translated(os.open, self.real(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path, size, offset, fh):
        return translated(os.pread, fh, size, offset)

    def write(self, path, data, offset, fh):
        return translated(os.pwrite, fh, data, offset)

    def truncate(self, path, length, fh=None):
        translated(os.truncate, self.real(path), length)

    def utimens(self, path, times=None):
        translated(os.utime, self.real(path), ns=times)

    def release(self, path, fh):
        os.close(fh)


FUSE(Folding(sys.argv[1]), sys.argv[2], foreground=True, nothreads=True, use_ino=True, attr_timeout=0, entry_timeout=0)
