;; Asks for a path that Vault's router refuses, which once kept a whole Vault from unsealing.
;;
;; request: enable
;; status: 400
;; error: a/b+c

(data (i32.const 4096) "\08\10\00\00\05\00\00\00a/b+c")
(func $special-paths (param $pairs i32) (param $count i32) (result i32)
  (if (i32.eqz (call $has-option (local.get $pairs) (local.get $count))) (then (return (call $nothing))))
  (i32.store (i32.const 512) (i32.const 4096))
  (i32.store (i32.const 516) (i32.const 1))
  (i32.const 512))
