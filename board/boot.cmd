# U-Boot's script, on the first partition of every image. It chooses a slot, and hands over. The state is a short text in two copies
# in front of the first partition; hw_slot works, hw_try is new and is started hw_left times at most.
setexpr hw_at ${scriptaddr} + 0x80000
setenv hw_slot A
setenv hw_try none
setenv hw_left 0
setenv hw_found no
for hw_block in 0x400 0x600; do
    if test "${hw_found}" = no; then
        if ${devtype} read ${hw_at} ${hw_block} 8; then
            if env import -c ${hw_at} 1000 hw_slot hw_try hw_left; then setenv hw_found yes; fi
        fi
    fi
done
echo "Homeward: slot ${hw_slot}, to be tried: ${hw_try}, ${hw_left} times left (${hw_found})"

setenv hw_boot ${hw_slot}
if test "${hw_try}" != none; then
    if test "${hw_left}" != 0; then
        setexpr hw_left ${hw_left} - 1
        setenv hw_boot ${hw_try}
    else
        echo "Homeward: slot ${hw_try} did not work, back to ${hw_slot}"
        setenv hw_try none
    fi
    env export -c -s 1000 ${hw_at} hw_slot hw_try hw_left
    ${devtype} write ${hw_at} 0x400 8
    ${devtype} write ${hw_at} 0x600 8
fi

# The chosen one, and the other when that cannot even be read.
for hw_turn in 1 2; do
    if test "${hw_boot}" = B; then setenv hw_part 3; else setenv hw_part 2; fi
    if load ${devtype} ${devnum}:${hw_part} ${hw_at} boot.env; then
        env import -t ${hw_at} ${filesize} hw_args
        part uuid ${devtype} ${devnum}:${hw_part} hw_uuid
        setenv bootargs "${hw_args} homeward.slot=${hw_boot} homeward.part=${hw_uuid}"
        setenv hw_tree ${fdtcontroladdr}
        if test -n "${fdt_addr_r}"; then
            if load ${devtype} ${devnum}:${hw_part} ${fdt_addr_r} device-tree; then setenv hw_tree ${fdt_addr_r}; fi
        fi
        if load ${devtype} ${devnum}:${hw_part} ${kernel_addr_r} kernel; then
            if load ${devtype} ${devnum}:${hw_part} ${ramdisk_addr_r} initrd; then
                booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${hw_tree}
            fi
        fi
    fi
    echo "Homeward: slot ${hw_boot} cannot be started"
    if test "${hw_boot}" = B; then setenv hw_boot A; else setenv hw_boot B; fi
done
sleep 5
reset
