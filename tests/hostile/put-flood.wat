;; Writes entries of 64 KiB, which the host keeps in memory until the commit, and ignores every error.
;;
;; request: write harm
;; status: 500
;; error: --cpu-ms
;; serve: --cpu-ms=100

(global $key (mut i32) (i32.const 0))
(memory $memory 3)
(func $hostile (result i32)
  (loop $again
    (global.set $key (i32.add (global.get $key) (i32.const 1)))
    (i32.store (i32.const 512) (i32.and (global.get $key) (i32.const 0x7f7f7f7f)))
    (call $put (i32.const 512) (i32.const 4) (i32.const 65536) (i32.const 65536) (i32.const 0) (i32.const 64))
    (br $again))
  unreachable)
