;; Writes keys of 2,000 levels, deletes them and lists what is left, so that the host has to look into every level.
;;
;; request: write harm
;; status: 400
;; error: --storage-ops

(func $hostile (result i32)
  (local $key i32)
  (local $at i32)
  (local.set $key (call $repeat (i32.const 0x61) (i32.const 4001)))
  (local.set $at (local.get $key))
  (loop $next
    (i32.store8 offset=1 (local.get $at) (i32.const 0x2f))
    (local.set $at (i32.add (local.get $at) (i32.const 2)))
    (br_if $next (i32.lt_u (local.get $at) (i32.add (local.get $key) (i32.const 4000)))))
  (call $put (local.get $key) (i32.const 4001) (local.get $key) (i32.const 1) (i32.const 0) (i32.const 64))
  (call $commit (i32.const 64))
  (call $delete (local.get $key) (i32.const 4001) (i32.const 64))
  (call $list (i32.const 0) (i32.const 0) (i32.const 64))
  (call $pass-on (i32.const 64)))
