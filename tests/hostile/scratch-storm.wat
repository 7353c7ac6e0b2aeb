;; Fills the mount's memory between requests, and goes on when it is full.
;;
;; request: read harm
;; status: 500
;; error: --storage-ops

(global $key (mut i32) (i32.const 0))
(func $hostile (result i32)
  (loop $again
    (global.set $key (i32.add (global.get $key) (i32.const 1)))
    (i32.store (i32.const 512) (i32.and (global.get $key) (i32.const 0x7f7f)))
    (call $scratch-put (i32.const 512) (i32.const 4) (i32.const 4096) (i32.const 64) (i32.const 64))
    (br $again))
  unreachable)
