# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# samba: what runs on the host; sourced by test/real/run. The version is the one before the fix, deb12u2: its packages
# can be had, and of its source all but the description, which has no more in it than the files' hashes.
# shellcheck disable=SC2154
# The variables are test/real/run's.

version=4.17.12+dfsg-0+deb12u2
ldb=2:2.6.2+samba$version
chroot=$WF_CACHE/real/samba-build

in_chroot() {
	# shellcheck disable=SC2016
	as_root unshare --mount --pid --fork --kill-child --propagation private bash -c '
		root=$1
		shift
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
			LC_ALL=C "$@"' in_chroot "$chroot" "$@" </dev/null
}

# The source, as far as it is there; a version that is needs the same packages to be built.
make_chroot() {
	local work=$WF_CACHE/real/samba-source mirrors
	note "making a chroot with what samba is built with"
	private_apt --sources bookworm bookworm-security bookworm-updates
	mapfile -t mirrors < <(grep '^deb ' "$(printf '%s\n' "${apt_options[@]}" |
		sed -n 's/^Dir::Etc::SourceList=//p')")
	rm -rf "$work" "$chroot.new"
	mkdir -p "$work/shipped"
	(cd "$work" && { apt-get "${apt_options[@]}" --download-only source "samba=2:$version" || true; } &&
		[ -e "samba_$version.debian.tar.xz" ] && mkdir dsc && cd dsc &&
		apt-get "${apt_options[@]}" --download-only source samba &&
		apt-get "${apt_options[@]}" download {samba-libs,samba-vfs-modules,libsmbclient,libwbclient0}="2:$version" "libldb2=$ldb" &&
		for deb in ./*.deb; do dpkg-deb -x "$deb" unpacked; done &&
		cp -a unpacked/usr/lib/x86_64-linux-gnu/. ../shipped) >"$out/source.log" 2>&1 ||
		die "samba's source or packages cannot be fetched, see $out/source.log"
	# shellcheck disable=SC2016
	as_root mmdebstrap --mode=root --variant=buildd --format=directory \
		--dpkgopt=force-unsafe-io --customize-hook="mkdir \"\$1/build\" && cp -r '$work'/. \"\$1/build/\"" \
		--customize-hook='chroot "$1" sh -c "apt-get -y --no-install-recommends --arch-only \
			-P nocheck build-dep /build/dsc/*.dsc && apt-get -y --no-install-recommends \
			install libdw1 libzydis4.0 libjansson4 libelf1 libmd0"' \
		bookworm "$chroot.new" "${mirrors[@]}" >"$out/chroot.log" 2>&1 ||
		{ tail "$out/chroot.log" >&2; die "no chroot with what samba is built with"; }
	mv "$chroot.new" "$chroot"
}

# What the module in the package is, once more, with its symbols.
make_tree() {
	local started=$EPOCHREALTIME
	note "configuring samba, and building the module"
	as_root rm -rf "$chroot/build/samba"
	in_chroot /build/build tree >"$out/tree.log" 2>&1 ||
		{ tail "$out/tree.log" >&2; die "samba cannot be configured"; }
	figure 'configure samba and make its headers, s' \
		"$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $started }")"
	in_chroot sh -ec 'cd /build && cp -a samba plain && cd plain && /build/build module &&
		mv streams_xattr.so .. && cd .. && rm -r plain' >"$out/module.log" 2>&1 ||
		{ tail "$out/module.log" >&2; die "the module cannot be built"; }
	as_root touch "$chroot/build/made"
}

build_module_patch() {
	local status=0 started=$EPOCHREALTIME
	note "wfpatch build streams-xattr"
	in_chroot /build/wfpatch build --source /build/samba --diff /build/fix.patch \
		--make '/build/build module' --target streams_xattr.so \
		--binary /build/shipped/samba/vfs/streams_xattr.so --debug /build/streams_xattr.so \
		--cache /build/cache --name streams-xattr -o /build/streams-xattr.wfp \
		>"$out/streams-xattr.log" 2>&1 || status=$?
	cat "$out/streams-xattr.log"
	[ "$status" = 0 ] || die "wfpatch build streams-xattr: status $status"
	figure 'build streams-xattr, s' "$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $started }")"
	cp "$chroot/build/streams-xattr.wfp" "$out/"
	figure 'size of streams-xattr, bytes' "$(stat -c %s "$out/streams-xattr.wfp")"
	expect_said streams-xattr 'has the code of .*, section by section'
	expect_said streams-xattr 'replaced  function streams_xattr_pwrite '
	[ "$(grep -c '^replaced ' "$out/streams-xattr.log")" = 1 ] || die "more than that is replaced"
}

if [ -n "$building" ]; then
	[ -d "$chroot" ] || make_chroot
	as_root cp "$here/samba/build" "$tool" "$build"/tools/{build-tree,build-lib.sh} "$chroot/build/"
	as_root cp "$here/samba/streams-xattr.patch" "$chroot/build/fix.patch"
	[ -e "$chroot/build/made" ] || make_tree
	build_module_patch
fi
server_root samba {samba,samba-common,samba-common-bin,samba-libs,samba-vfs-modules}="2:$version" \
	{python3-samba,libsmbclient,libwbclient0}="2:$version" {libldb2,python3-ldb}="$ldb"
rm -f "$out/disk"
truncate -s 32M "$out/disk"
mke2fs -q -t ext4 -b 4096 -O ea_inode "$out/disk"
in_vm 900 2048 --share "$root:/share/samba" --add "$here/samba/client.py:/opt/real/" \
	--add "$out/disk:/opt/real/" --module loop --module ext4
