;; A chain of XXH64 hashes over the blocks of a text: each block is hashed with the hash of the block
;; before it as its seed. XXH64 as its specification defines it.
;;
;; `npm run generate` compiles this into block-chain-wasm.ts.
(module
  ;; 64 pages of 64 KiB: the text in the lower half, the hashes above it.
  (memory (export "memory") 64)

  (global $p1 i64 (i64.const 0x9E3779B185EBCA87))
  (global $p2 i64 (i64.const 0xC2B2AE3D27D4EB4F))
  (global $p3 i64 (i64.const 0x165667B19E3779F9))
  (global $p4 i64 (i64.const 0x85EBCA77C2B2AE63))
  (global $p5 i64 (i64.const 0x27D4EB2F165667C5))

  (func $round (param $acc i64) (param $lane i64) (result i64)
    (i64.mul
      (i64.rotl
        (i64.add (local.get $acc) (i64.mul (local.get $lane) (global.get $p2)))
        (i64.const 31))
      (global.get $p1)))

  (func $merge (param $acc i64) (param $lane i64) (result i64)
    (i64.add
      (i64.mul
        (i64.xor (local.get $acc) (call $round (i64.const 0) (local.get $lane)))
        (global.get $p1))
      (global.get $p4)))

  ;; XXH64 of the bytes from $at up to $end.
  (func $xxh64 (param $at i32) (param $end i32) (param $seed i64) (result i64)
    (local $hash i64)
    (local $v1 i64) (local $v2 i64) (local $v3 i64) (local $v4 i64)
    (local $bytes i64) (local $limit i32)
    (local.set $bytes (i64.extend_i32_u (i32.sub (local.get $end) (local.get $at))))
    (if (i64.ge_u (local.get $bytes) (i64.const 32))
      (then
        (local.set $v1 (i64.add (i64.add (local.get $seed) (global.get $p1)) (global.get $p2)))
        (local.set $v2 (i64.add (local.get $seed) (global.get $p2)))
        (local.set $v3 (local.get $seed))
        (local.set $v4 (i64.sub (local.get $seed) (global.get $p1)))
        (local.set $limit (i32.sub (local.get $end) (i32.const 32)))
        (loop $stripes
          (local.set $v1 (call $round (local.get $v1) (i64.load (local.get $at))))
          (local.set $v2 (call $round (local.get $v2) (i64.load offset=8 (local.get $at))))
          (local.set $v3 (call $round (local.get $v3) (i64.load offset=16 (local.get $at))))
          (local.set $v4 (call $round (local.get $v4) (i64.load offset=24 (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 32)))
          (br_if $stripes (i32.le_u (local.get $at) (local.get $limit))))
        (local.set $hash
          (i64.add
            (i64.add
              (i64.rotl (local.get $v1) (i64.const 1))
              (i64.rotl (local.get $v2) (i64.const 7)))
            (i64.add
              (i64.rotl (local.get $v3) (i64.const 12))
              (i64.rotl (local.get $v4) (i64.const 18)))))
        (local.set $hash (call $merge (local.get $hash) (local.get $v1)))
        (local.set $hash (call $merge (local.get $hash) (local.get $v2)))
        (local.set $hash (call $merge (local.get $hash) (local.get $v3)))
        (local.set $hash (call $merge (local.get $hash) (local.get $v4))))
      (else
        (local.set $hash (i64.add (local.get $seed) (global.get $p5)))))
    (local.set $hash (i64.add (local.get $hash) (local.get $bytes)))

    (block $eights_end
      (loop $eights
        (br_if $eights_end (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $end)))
        (local.set $hash
          (i64.add
            (i64.mul
              (i64.rotl
                (i64.xor
                  (local.get $hash)
                  (call $round (i64.const 0) (i64.load (local.get $at))))
                (i64.const 27))
              (global.get $p1))
            (global.get $p4)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $eights)))

    (if (i32.le_u (i32.add (local.get $at) (i32.const 4)) (local.get $end))
      (then
        (local.set $hash
          (i64.add
            (i64.mul
              (i64.rotl
                (i64.xor
                  (local.get $hash)
                  (i64.mul (i64.load32_u (local.get $at)) (global.get $p1)))
                (i64.const 23))
              (global.get $p2))
            (global.get $p3)))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))))

    (block $ones_end
      (loop $ones
        (br_if $ones_end (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $hash
          (i64.mul
            (i64.rotl
              (i64.xor
                (local.get $hash)
                (i64.mul (i64.load8_u (local.get $at)) (global.get $p5)))
              (i64.const 11))
            (global.get $p1)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $ones)))

    (local.set $hash
      (i64.mul
        (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 33)))
        (global.get $p2)))
    (local.set $hash
      (i64.mul
        (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 29)))
        (global.get $p3)))
    (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 32))))

  ;; Hashes the blocks of the bytes from $at up to $end, the last of which may be shorter, and writes
  ;; 8 bytes for each to $out on. The seed of the first one comes in two halves, which JavaScript
  ;; has without making a bigint.
  (func (export "hashBlocks")
    (param $at i32) (param $end i32) (param $blockBytes i32)
    (param $seedLow i32) (param $seedHigh i32) (param $out i32)
    (local $hash i64) (local $blockEnd i32)
    (local.set $hash
      (i64.or
        (i64.extend_i32_u (local.get $seedLow))
        (i64.shl (i64.extend_i32_u (local.get $seedHigh)) (i64.const 32))))
    (block $done
      (loop $blocks
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $blockEnd (i32.add (local.get $at) (local.get $blockBytes)))
        (if (i32.gt_u (local.get $blockEnd) (local.get $end))
          (then (local.set $blockEnd (local.get $end))))
        (local.set $hash (call $xxh64 (local.get $at) (local.get $blockEnd) (local.get $hash)))
        (i64.store (local.get $out) (local.get $hash))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (local.set $at (local.get $blockEnd))
        (br $blocks)))))
