;; Asks for a million paths that need `sudo`, all of which are the same.
;;
;; request: enable
;; status: 400
;; error: `root` has more than 1000 entries
;; serve: --memory-mib=128
;; serve: --transfer-mib=128

(func $special-paths (param $pairs i32) (param $count i32) (result i32)
  (local $list i32)
  (local $at i32)
  (if (i32.eqz (call $has-option (local.get $pairs) (local.get $count))) (then (return (call $nothing))))
  (local.set $list (call $repeat (i32.const 0) (i32.const 8000000)))
  (local.set $at (local.get $list))
  (loop $next
    (i32.store (local.get $at) (i32.const 2048))
    (i32.store offset=4 (local.get $at) (i32.const 7))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $next (i32.lt_u (local.get $at) (i32.add (local.get $list) (i32.const 8000000)))))
  (i32.store (i32.const 512) (local.get $list))
  (i32.store (i32.const 516) (i32.const 1000000))
  (i32.const 512))
